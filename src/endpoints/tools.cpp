// `tools`: small things to try a client, a proxy or a network with.
//
//   /echo                        the body comes back as it arrives, with its Content-Type
//   /delay?ms=                   answers after so long
//   /bytes?n=                    so many bytes of a fixed pattern: lines of 63 characters
//   /stream?lines=&interval_ms=  a line every so often: NDJSON, text or SSE by Accept

#include "endpoints/answer.hpp"
#include "endpoints/endpoint.hpp"
#include "endpoints/parameters.hpp"
#include "endpoints/turns.hpp"
#include "http/negotiate.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <array>

namespace millrace::endpoints {
namespace {

using http::FieldId;
using http::Method;

constexpr std::uint64_t kDelayMsMax = 60'000;
constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;
constexpr std::uint64_t kLinesMax = 1'000'000;
constexpr std::string_view kOctets = "application/octet-stream";

/// What /bytes sends: its period divides its size, so that pieces join without a seam.
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::string_view kPatternLine =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n";
static_assert(kPieceBytes % kPatternLine.size() == 0);

const std::string& pattern() {
  static const std::string piece = [] {
    std::string out;
    out.reserve(kPieceBytes);
    while (out.size() < kPieceBytes) out += kPatternLine;
    return out;
  }();
  return piece;
}

/// How /stream writes its lines.
enum class LineFormat : std::uint8_t { kNdjson, kText, kEvents };
constexpr std::array<std::string_view, 3> kLineTypes{"application/x-ndjson", "text/plain",
                                                     "text/event-stream"};

std::string line_of(LineFormat format, std::uint64_t number) {
  const std::string n = std::to_string(number);
  switch (format) {
    case LineFormat::kNdjson:
      return "{\"line\":" + n + "}\n";
    case LineFormat::kText:
      return "line " + n + "\n";
    case LineFormat::kEvents:
      return "data: line " + n + "\n\n";
  }
  return {};
}

class ToolsEndpoint final : public Handler {
 public:
  Task<Result<void>> handle(Exchange& exchange) override {
    return dispatch(*this, kOperations, exchange);
  }

 private:
  Task<Result<void>> echo(Exchange& exchange);
  Task<Result<void>> delay(Exchange& exchange);
  Task<Result<void>> bytes(Exchange& exchange);
  Task<Result<void>> stream(Exchange& exchange);

  static constexpr std::array<Operation<ToolsEndpoint>, 4> kOperations{{
      {"/echo",
       {Method::kGet, Method::kPost, Method::kPut, Method::kPatch, Method::kDelete},
       &ToolsEndpoint::echo},
      {"/delay", {Method::kGet, Method::kPost}, &ToolsEndpoint::delay},
      {"/bytes", {Method::kGet}, &ToolsEndpoint::bytes},
      {"/stream", {Method::kGet}, &ToolsEndpoint::stream},
  }};
};

Task<Result<void>> ToolsEndpoint::echo(Exchange& exchange) {
  // The first piece before the head: it asks a client that waits for 100 to go on, and a body that
  // is refused can still get its own status.
  Result<Bytes> piece = co_await exchange.read_body();
  if (!piece) co_return fail(piece.error());
  http::ResponseHead head;
  head.fields.add(FieldId::kContentType,
                  exchange.request.fields.value_or(FieldId::kContentType, kOctets));
  const http::BodyLength body = exchange.request.body;
  head.body = body.is_none() ? http::BodyLength::known(0) : body;
  exchange.start(head);
  std::uint64_t since_yield = 0;
  while (!piece->empty()) {
    if (const auto written = co_await exchange.write(*piece); !written) co_return written;
    since_yield += piece->size();
    if (since_yield >= kBytesPerTurn) {
      since_yield = 0;
      co_await yield_now();
    }
    piece = co_await exchange.read_body();
    if (!piece) co_return fail(piece.error());
  }
  co_return exchange.finish();
}

Task<Result<void>> ToolsEndpoint::delay(Exchange& exchange) {
  const auto parameters = Parameters::parse(exchange);
  if (!parameters) co_return fail(parameters.error());
  const auto ms = parameters->number("ms", 0, kDelayMsMax);
  if (!ms) co_return fail(ms.error());
  const auto slept = co_await sleep_for(std::chrono::milliseconds(*ms));
  if (!slept) co_return slept;
  respond_text(exchange, kPlainText, "waited " + std::to_string(*ms) + " ms\n");
  co_return Result<void>{};
}

Task<Result<void>> ToolsEndpoint::bytes(Exchange& exchange) {
  const auto parameters = Parameters::parse(exchange);
  if (!parameters) co_return fail(parameters.error());
  const auto n = parameters->number("n", 0, kBytesMax);
  if (!n) co_return fail(n.error());
  {
    http::ResponseHead head;
    head.fields.add(FieldId::kContentType, kOctets);
    head.body = http::BodyLength::known(*n);
    exchange.start(head);
  }
  std::uint64_t left = exchange.request.method == Method::kHead ? 0 : *n;
  while (left > 0) {
    const std::size_t size = std::min<std::uint64_t>(left, kPieceBytes);
    if (const auto written = co_await exchange.write(Bytes(pattern().data(), size)); !written)
      co_return written;
    left -= size;
    if (left % kBytesPerTurn < kPieceBytes) co_await yield_now();
  }
  co_return exchange.finish();
}

Task<Result<void>> ToolsEndpoint::stream(Exchange& exchange) {
  constexpr std::uint64_t kLinesPerTurn = 256;
  const auto parameters = Parameters::parse(exchange);
  if (!parameters) co_return fail(parameters.error());
  const auto lines = parameters->number_or("lines", 10, 0, kLinesMax);
  if (!lines) co_return fail(lines.error());
  const auto interval_ms = parameters->number_or("interval_ms", 100, 0, kDelayMsMax);
  if (!interval_ms) co_return fail(interval_ms.error());
  const auto format = static_cast<LineFormat>(
      http::best_of(exchange.request.fields.value_or(FieldId::kAccept, {}), kLineTypes)
          .value_or(0));
  {
    http::ResponseHead head;
    head.fields.add(FieldId::kContentType, kLineTypes[static_cast<std::size_t>(format)]);
    head.fields.add(FieldId::kCacheControl, "no-store");
    head.body = http::BodyLength::unknown();
    exchange.start(head);
  }
  const bool head_only = exchange.request.method == Method::kHead;
  for (std::uint64_t i = 1; i <= *lines && !head_only; ++i) {
    const std::string line = line_of(format, i);
    if (const auto written = co_await exchange.write(line); !written) co_return written;
    if (i == *lines) break;
    if (*interval_ms > 0) {
      const auto slept = co_await sleep_for(std::chrono::milliseconds(*interval_ms));
      if (!slept) co_return slept;
    } else if (i % kLinesPerTurn == 0) {
      co_await yield_now();
    }
  }
  co_return exchange.finish();
}

}  // namespace

std::unique_ptr<Handler> make_tools(const EndpointContext&) {
  return std::make_unique<ToolsEndpoint>();
}

}  // namespace millrace::endpoints
