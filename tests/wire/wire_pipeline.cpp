#include "wire_pipeline.hpp"

#include "http/head.hpp"

#include <charconv>

namespace millrace::test {
namespace {

using http::BodyLength;
using http::ResponseHead;

constexpr std::string_view kHello = "hello";

std::string show(const Exchange& e) {
  const http::RequestHead& r = e.request;
  std::string out;
  out.append(r.method_text)
      .append("\n")
      .append(r.authority)
      .append("\n")
      .append(r.path)
      .append("\n");
  out.append(r.query).append("\n").append(r.version == http::Version::kHttp10 ? "1.0" : "1.1");
  return out;
}

int status_in(std::string_view path) {
  int status = 0;
  const std::string_view digits = path.substr(path.rfind('/') + 1);
  std::from_chars(digits.data(), digits.data() + digits.size(), status);
  return status;
}

Result<void> respond(Exchange& e, int status, std::string_view body) {
  ResponseHead head;
  head.status = status;
  e.respond(head, body);
  return {};
}

Task<Result<std::string>> read_all(Exchange& e) {
  std::string body;
  for (;;) {
    const auto piece = co_await e.read_body();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) co_return body;
    body.append(piece->data(), piece->size());
  }
}

Task<Result<void>> echo(Exchange& e) {
  const auto body = co_await read_all(e);
  if (!body) co_return fail(body.error());
  ResponseHead head;
  co_return co_await e.send(head, *body);
}

Task<Result<void>> pipe(Exchange& e) {
  auto piece = co_await e.read_body();
  if (!piece) co_return fail(piece.error());
  ResponseHead head;
  head.body = e.request.body;
  e.start(head);
  while (!piece->empty()) {
    if (auto written = co_await e.write(*piece); !written) co_return written;
    piece = co_await e.read_body();
    if (!piece) co_return fail(piece.error());
  }
  co_return e.finish();
}

Task<Result<void>> pieces(Exchange& e, BodyLength length) {
  ResponseHead head;
  head.body = length;
  e.start(head);
  for (const std::string_view piece : {"one", "two", "three"})
    if (auto written = co_await e.write(piece); !written) co_return written;
  co_return e.finish();
}

Task<Result<void>> abort(Exchange& e, BodyLength length) {
  ResponseHead head;
  head.body = length;
  e.start(head);
  if (auto written = co_await e.write(kHello); !written) co_return written;
  co_return fail(Errc::kUpstreamTruncated);
}

Task<Result<void>> finish_short(Exchange& e) {
  ResponseHead head;
  head.body = BodyLength::known(10);
  e.start(head);
  if (auto written = co_await e.write(kHello); !written) co_return written;
  co_return e.finish();
}

Task<Result<void>> large(Exchange& e) {
  const std::string body(1 << 20, 'x');
  ResponseHead head;
  co_return co_await e.send(head, body);
}

Task<Result<void>> echo_tunnel(Exchange& e) {
  ResponseHead head;
  e.start(head);
  for (;;) {
    const auto piece = co_await e.read_body();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) co_return e.finish();
    if (auto written = co_await e.write(*piece); !written) co_return written;
  }
}

Task<Result<void>> ending_tunnel(Exchange& e) {
  ResponseHead head;
  e.start(head);
  if (auto written = co_await e.write(kHello); !written) co_return written;
  if (auto ended = e.finish(); !ended) co_return ended;
  const auto rest = co_await read_all(e);
  if (!rest) co_return fail(rest.error());
  if (*rest != "bye") co_return fail(Errc::kInternal);
  co_return Result<void>{};
}

}  // namespace

class WirePipeline::Actions final : public Handler {
 public:
  explicit Actions(WirePipeline& pipeline) : pipeline_(pipeline) {}

  Task<Result<void>> handle(Exchange& e) override {
    const std::string_view path = e.request.path;
    if (e.request.authority.starts_with("echo:")) co_return co_await echo_tunnel(e);
    if (e.request.authority.starts_with("ends:")) co_return co_await ending_tunnel(e);
    if (e.request.authority.starts_with("slow:")) {
      pipeline_.waiting.set();
      if (auto over = co_await pipeline_.released.wait(); !over) co_return over;
      co_return co_await echo_tunnel(e);
    }
    if (path == "/fixed") co_return respond(e, 200, kHello);
    if (path == "/show" || path == "*") co_return respond(e, 200, show(e));
    if (path == "/echo") co_return co_await echo(e);
    if (path == "/pipe") co_return co_await pipe(e);
    if (path == "/pieces") co_return co_await pieces(e, BodyLength::unknown());
    if (path == "/known") co_return co_await pieces(e, BodyLength::known(11));
    if (path.starts_with("/status/")) co_return respond(e, status_in(path), kHello);
    if (path.starts_with("/empty/")) co_return empty(e);
    if (path.starts_with("/early/")) {
      http::Fields fields;
      fields.add("Link", "</style.css>");
      e.interim(103, fields);
      co_return respond(e, status_in(path), kHello);
    }
    if (path == "/abort") co_return co_await abort(e, BodyLength::unknown());
    if (path == "/abort/known") co_return co_await abort(e, BodyLength::known(10));
    if (path == "/short") co_return co_await finish_short(e);
    if (path == "/ignore") {
      (void)co_await read_all(e);
      (void)co_await read_all(e);
      co_return respond(e, 200, kHello);
    }
    if (path == "/wait") co_return co_await wait(e);
    if (path == "/large") co_return co_await large(e);
    co_return fail(Errc::kNotFound);
  }

 private:
  static Result<void> empty(Exchange& e) {
    ResponseHead head;
    head.status = status_in(e.request.path);
    e.start(head);
    return e.finish();
  }
  Task<Result<void>> wait(Exchange& e) {
    pipeline_.waiting.set();
    if (auto over = co_await pipeline_.released.wait(); !over) co_return over;
    co_return respond(e, 200, kHello);
  }
  WirePipeline& pipeline_;
};

WirePipeline::WirePipeline() : actions_(std::make_unique<Actions>(*this)) {}
WirePipeline::~WirePipeline() = default;

Handler& WirePipeline::begin(Exchange&) {
  return *actions_;
}

void WirePipeline::end(Exchange& exchange, Result<void> outcome) {
  outcomes.emplace_back(outcome ? "ok" : outcome.error().info().code);
  if (outcome || exchange.started()) return;
  (void)respond(exchange, outcome.error().info().status, outcome.error().info().code);
}

void WirePipeline::refuse(Exchange& exchange, Error error) {
  end(exchange, fail(error));
}

std::string refusal(Errc errc) {
  const ErrcInfo& row = info(errc);
  const std::string status = std::to_string(row.status);
  std::string out = "HTTP/1.1 " + status + " " + std::string(http::reason_phrase(row.status));
  out += "\r\nDate: <date>\r\nContent-Length: " + std::to_string(row.code.size());
  out += "\r\nConnection: close\r\n\r\n";
  return out.append(row.code);
}

std::string answer(std::string_view body) {
  std::string out =
      "HTTP/1.1 200 OK\r\nDate: <date>\r\nContent-Length: " + std::to_string(body.size());
  return out.append("\r\n\r\n").append(body);
}

void hide_dates(std::string& text) {
  constexpr std::string_view kField = "\r\nDate: ";
  constexpr std::size_t kDateBytes = 29;
  for (std::size_t at = 0; (at = text.find(kField, at)) != std::string::npos;) {
    at += kField.size();
    if (std::string_view(text).substr(at).find("\r\n") == kDateBytes)
      text.replace(at, kDateBytes, "<date>");
  }
}

}  // namespace millrace::test
