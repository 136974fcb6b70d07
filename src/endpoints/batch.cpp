#include "endpoints/batch.hpp"

#include "endpoints/answer.hpp"
#include "endpoints/batch_line.hpp"
#include "endpoints/batch_request.hpp"
#include "endpoints/ndjson_items.hpp"
#include "endpoints/parameters.hpp"
#include "http/ascii.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::endpoints {
namespace {

using http::FieldId;
using http::Method;

constexpr std::string_view kNdjson = "application/x-ndjson";

/// The type of the body without its parameters.
bool is_type(const Exchange& exchange, std::string_view type) noexcept {
  std::string_view said = exchange.request.fields.value_or(FieldId::kContentType, {});
  said = http::trim_ows(said.substr(0, said.find(';')));
  return http::iequals(said, type);
}

bool is_ndjson(const Exchange& exchange) noexcept {
  return is_type(exchange, kNdjson) || is_type(exchange, "application/ndjson") ||
         is_type(exchange, "application/jsonl");
}

class WholeItems final : public BatchSource {
 public:
  explicit WholeItems(std::vector<ItemPtr> items) : items_(std::move(items)) {}
  Task<Result<ItemPtr>> next() override {
    co_return next_ < items_.size() ? std::move(items_[next_++]) : ItemPtr();
  }

 private:
  std::vector<ItemPtr> items_;
  std::size_t next_ = 0;
};

class FetchWork final : public BatchWork {
 public:
  FetchWork(ItemContext context, HeldBytes& held) noexcept : context_(context), held_(held) {}
  Task<ResultPtr> run(ItemPtr item) override {
    auto result = std::make_unique<BatchResult>(held_);
    co_await fetch_item(context_, *item, *result);
    co_return result;
  }

 private:
  const ItemContext context_;
  HeldBytes& held_;
};

/// Lines to the client. The answer begins with the first: until then an error is a whole answer of
/// its own, and a client that waits for 100 Continue gets it.
class ExchangeLines final : public BatchSink, public LineSink {
 public:
  explicit ExchangeLines(Exchange& exchange) noexcept : exchange_(exchange) {}

  Task<Result<void>> take(ResultPtr result) override {
    summary_.add(*result);
    exchange_.upstream.attempts += result->attempts;
    co_return co_await write_batch_line(*result, LineReader::kStranger, *this);
  }
  Task<Result<void>> write(Bytes bytes) override {
    begin();
    co_return co_await exchange_.write(bytes);
  }
  Task<Result<void>> finish() {
    const std::string last = summary_line(summary_, Clock::now() - began_);
    if (const auto written = co_await write(last); !written) co_return written;
    co_return exchange_.finish();
  }

 private:
  void begin() {
    if (exchange_.started()) return;
    http::ResponseHead head;
    head.fields.add(FieldId::kContentType, kNdjson);
    head.fields.add(FieldId::kCacheControl, "no-store");
    head.fields.add(FieldId::kXContentTypeOptions, "nosniff");
    head.body = http::BodyLength::unknown();
    exchange_.start(head);
  }

  Exchange& exchange_;
  const TimePoint began_ = Clock::now();
  BatchSummary summary_;
};

}  // namespace

Task<Result<void>> BatchEndpoint::handle(Exchange& exchange) {
  constexpr Methods kMethods{Method::kPost};
  if (exchange.request.method != Method::kPost)
    co_return co_await answer_method(exchange, kMethods);
  const bool ndjson = is_ndjson(exchange);
  if (!ndjson && !is_type(exchange, kJson)) {
    exchange.detail = "Send Content-Type: application/json or application/x-ndjson.";
    co_return fail(Errc::kUnsupportedMedia);
  }
  const auto parameters = Parameters::parse(exchange);
  if (!parameters) co_return fail(parameters.error());
  const auto parallel =
      parameters->number_or("parallel", kBatchParallelDefault, 1, kBatchParallelMax);
  if (!parallel) co_return fail(parallel.error());
  exchange.upstream.upstream = "fetch";
  const auto most = static_cast<unsigned>(*parallel);
  co_return co_await (ndjson ? streamed(exchange, most) : whole(exchange, most));
}

Task<Result<std::string>> BatchEndpoint::read_whole(Exchange& exchange) {
  if (exchange.request.body.is_none()) {
    exchange.detail = "Send the batch as the body.";
    co_return fail(Errc::kEmptyBody);
  }
  const auto limited = exchange.limit_body(limits_.body_bytes_max, "fetch.batch.body_max");
  if (!limited) co_return fail(limited.error());
  std::string text;
  for (;;) {
    const Result<Bytes> piece = co_await exchange.read_body();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) co_return text;
    text.append(piece->data(), piece->size());
  }
}

Task<Result<void>> BatchEndpoint::whole(Exchange& exchange, unsigned parallel) {
  Result<std::string> text = co_await read_whole(exchange);
  if (!text) co_return fail(text.error());
  std::expected<BatchRequest, BatchFault> batch;
  if (text->size() <= kParseInlineBytesMax) {
    batch = parse_batch(*text, limits_);
  } else {
    auto done = co_await offload_.run(
        text->size(), [&text, this](const CancelToken&) { return parse_batch(*text, limits_); });
    if (!done) co_return fail(done.error());
    batch = std::move(*done);
  }
  if (!batch) {
    exchange.detail = std::move(batch.error().detail);
    co_return fail(batch.error().errc);
  }
  text->clear();
  text->shrink_to_fit();
  HeldBytes held(limits_.held_bytes_max);
  WholeItems items(std::move(batch->items));
  co_return co_await run(exchange, items, held, batch->parallel.value_or(parallel));
}

// A line must find room where everything else has been worked off.
Task<Result<void>> BatchEndpoint::streamed(Exchange& exchange, unsigned parallel) {
  HeldBytes held(std::max(limits_.held_bytes_max, limits_.body_bytes_max));
  NdjsonItems items(exchange, limits_, held, offload_);
  co_return co_await run(exchange, items, held, parallel);
}

Task<Result<void>> BatchEndpoint::run(Exchange& exchange, BatchSource& source, HeldBytes& held,
                                      unsigned parallel) {
  FetchWork work({fetcher_, limits_}, held);
  ExchangeLines lines(exchange);
  BatchRun batch(source, work, lines, parallel);
  if (const auto done = co_await batch.run(); !done) co_return done;
  co_return co_await lines.finish();
}

}  // namespace millrace::endpoints
