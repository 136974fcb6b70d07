#include "fuzz/pipeline.hpp"

#include "fuzz/loop.hpp"

#include <chrono>
#include <cstdio>

namespace millrace::fuzz {
namespace {

using http::BodyLength;
using http::ResponseHead;

constexpr std::size_t kLargeBytes = 20'000;

/// So small that small inputs reach them; no time limit: an end that only a clock brings is a hang.
ConnectionLimits make_limits() {
  constexpr std::chrono::milliseconds kNever = std::chrono::hours(10);
  ConnectionLimits limits;
  limits.head = {.head_bytes_max = 4096, .fields_max = 40, .target_bytes_max = 1024};
  limits.head_timeout = limits.idle_timeout = limits.write_stall_timeout = kNever;
  limits.body_rate_grace = limits.body_idle_timeout = limits.linger_timeout = kNever;
  limits.body_rate_min = 0;
  limits.body_bytes_max = 64 * 1024;
  return limits;
}

Result<void> respond(Exchange& e, Record& r, int status, std::string_view body) {
  ResponseHead head;
  head.status = status;
  r.expected = body;
  e.respond(head, body);
  return {};
}

Task<Result<Bytes>> read(Exchange& e, Record& r) {
  auto piece = co_await e.read_body();
  if (piece) r.body.append(piece->data(), piece->size());
  co_return piece;
}

Task<Result<void>> echo(Exchange& e, Record& r) {
  for (;;) {
    const auto piece = co_await read(e, r);
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
  }
  ResponseHead head;
  r.expected = r.body;
  co_return co_await e.send(head, r.body);
}

/// Until the body's end. Also what a tunnel does.
Task<Result<void>> pump(Exchange& e, Record& r) {
  for (;;) {
    const auto piece = co_await read(e, r);
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    if (auto written = co_await e.write(*piece); !written) co_return written;
  }
  r.expected = r.body;
  co_return e.finish(e.request_trailers());
}

Task<Result<void>> pipe(Exchange& e, Record& r) {
  ResponseHead head;
  head.body = e.request.body;
  e.start(head);
  co_return co_await pump(e, r);
}

Task<Result<void>> tunnel(Exchange& e, Record& r) {
  if (e.request.upgrade.empty()) co_return respond(e, r, 426, "");
  ResponseHead head;
  head.status = 101;
  e.start(head);
  co_return co_await pump(e, r);
}

Task<Result<void>> pieces(Exchange& e, Record& r, BodyLength length) {
  ResponseHead head;
  head.body = length;
  e.start(head);
  for (const std::string_view piece : {"one", "two", "three"})
    if (auto written = co_await e.write(piece); !written) co_return written;
  r.expected = "onetwothree";
  co_return e.finish();
}

/// Half of a body.
Task<Result<void>> half(Exchange& e, BodyLength length) {
  ResponseHead head;
  head.body = length;
  e.start(head);
  if (auto written = co_await e.write(std::string_view("half")); !written) co_return written;
  if (length.is_known()) co_return e.finish();
  co_return fail(Errc::kUpstreamTruncated);
}

Result<void> bodiless(Exchange& e, int status, BodyLength length) {
  ResponseHead head;
  head.status = status;
  head.body = length;
  e.start(head);
  return e.finish();
}

}  // namespace

void print(const std::deque<Record>& records) {
  std::fprintf(stderr, "%zu exchanges:\n", records.size());
  for (const Record& r : records) {
    const std::string_view cause = r.outcome == Errc::kCount_ ? "ok" : info(r.outcome).code;
    std::fprintf(stderr, "  %s %s?%s: %zu bytes of body, %d %s %s\n", r.method.c_str(),
                 r.path.c_str(), r.query.c_str(), r.body.size(), r.status,
                 r.finished ? "finished" : "unfinished", std::string(cause).c_str());
  }
}

class RecordingPipeline::Actions final : public Handler {
 public:
  explicit Actions(RecordingPipeline& pipeline) : pipeline_(pipeline) {}

  Task<Result<void>> handle(Exchange& e) override {
    Record& r = pipeline_.record(e);
    // A 2xx would open a tunnel, which no handler of ours does.
    if (e.request.method == http::Method::kConnect) co_return fail(Errc::kMethodUnknown);
    switch (e.request.path.size() > 1 ? e.request.path[1] : '\0') {
      case 'e':
        co_return co_await echo(e, r);
      case 'p':
        co_return co_await pipe(e, r);
      case 'u':
        co_return co_await tunnel(e, r);
      case 's':
        co_return co_await pieces(e, r, BodyLength::unknown());
      case 'k':
        co_return co_await pieces(e, r, BodyLength::known(11));
      case 'a':
        co_return co_await half(e, BodyLength::unknown());
      case 'b':
        co_return co_await half(e, BodyLength::known(10));
      case 'n':
        co_return bodiless(e, 204, BodyLength::none());
      case 'm':
        co_return bodiless(e, 304, BodyLength::known(5));
      case 'z':
        co_return bodiless(e, 200, BodyLength::known(0));
      case 'f':
        co_return fail(Errc::kNotFound);
      case 'l':
        co_return respond(e, r, 200, std::string(kLargeBytes, 'x'));
      case 'i':
        co_return respond(e, r, 200, "ignored");
      case 'c':
        e.interim(103, {});
        break;
      case 'r':
        (void)co_await read(e, r);
        break;
      case 'w':
        co_await next_turn();
        break;
      default:
        break;
    }
    co_return respond(e, r, 200, "ok");
  }

 private:
  RecordingPipeline& pipeline_;
};

RecordingPipeline::RecordingPipeline()
    : limits_(make_limits()), actions_(std::make_unique<Actions>(*this)) {}
RecordingPipeline::~RecordingPipeline() = default;

Record& RecordingPipeline::add(const Exchange& e) {
  const http::RequestHead& q = e.request;
  Record& r = records_.emplace_back();
  r.method = q.method_text;
  r.authority = q.authority;
  r.path = q.path;
  r.query = q.query;
  r.method_id = q.method;
  r.version = q.version;
  r.expects_continue = q.fields.has(http::FieldId::kExpect);
  r.wants_upgrade = !q.upgrade.empty() || q.fields.has(http::FieldId::kUpgrade);
  running_[&e] = &r;
  return r;
}

Handler& RecordingPipeline::begin(Exchange& e) {
  add(e);
  return *actions_;
}

void RecordingPipeline::end(Exchange& e, Result<void> outcome) {
  Record& r = record(e);
  if (!outcome) {
    r.outcome = outcome.error().errc;
    if (!e.started()) (void)respond(e, r, outcome.error().info().status, "failed");
  }
  r.status = e.status();
  r.finished = e.finished();
  running_.erase(&e);
}

void RecordingPipeline::refuse(Exchange& e, Error error) {
  add(e).refused = true;
  end(e, fail(error));
}

}  // namespace millrace::fuzz
