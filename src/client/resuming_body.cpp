#include "client/resuming_body.hpp"

#include "base/metrics.hpp"
#include "client/retry.hpp"
#include "runtime/io_thread.hpp"

#include <chrono>
#include <utility>

namespace millrace::client {
namespace {

AnswerHead head_of(const Response& response) noexcept {
  return {response.status(), response.fields(), response.body_length()};
}

std::optional<ResumePoint> point_of(const Request& request, const Response& response) {
  if (request.body != nullptr || response.is_decoding() || response.is_tunnel())
    return std::nullopt;
  using std::chrono::floor, std::chrono::seconds, std::chrono::system_clock;
  return ResumePoint::of(request.method, head_of(response), floor<seconds>(system_clock::now()));
}

bool is_break(const Error& error) noexcept {
  return error.is(Errc::kUpstreamTruncated) || error.is(Errc::kUpstreamReset) ||
         error.is(Errc::kUpstreamClosed) || error.is(Errc::kUpstreamIdleTimeout);
}

}  // namespace

ResumingBody::ResumingBody(Sender& sender, Request& request, Response response, ResumePolicy policy,
                           TimePoint deadline)
    : sender_(sender),
      request_(request),
      policy_(std::move(policy)),
      deadline_(deadline),
      current_(std::move(response)),
      point_(point_of(request_, *current_)) {}

bool ResumingBody::done() const noexcept {
  return ended_ || (current_ && current_->done() && !is_short());
}

// The framing of a later answer may contradict its Content-Range.
bool ResumingBody::is_short() const noexcept {
  if (resumes_ == 0 || !point_) return false;
  const auto all = point_->body_bytes();
  return all && received_bytes_ < *all;
}

Result<void> ResumingBody::count(const Bytes& piece) noexcept {
  received_bytes_ += piece.size();
  if (received_bytes_ > request_.body_bytes_max) return fail(Errc::kUpstreamTooLarge);
  if (!point_) return {};
  const auto all = point_->body_bytes();
  if (all && received_bytes_ > *all) return fail(Errc::kUpstreamBadMessage);
  return {};
}

Task<Result<Bytes>> ResumingBody::read() {
  while (!ended_) {
    if (!current_) co_return fail(failed_);
    Result<Bytes> piece = co_await current_->read();
    if (piece) {
      if (const auto counted = count(*piece); !counted) co_return fail(counted.error());
      if (!piece->empty() || !is_short()) co_return piece;
      piece = fail(Errc::kUpstreamTruncated);
    }
    if (const auto resumed = co_await resume(piece.error()); !resumed)
      co_return fail(resumed.error());
  }
  co_return Bytes{};
}

Task<void> ResumingBody::close() {
  if (current_) co_await current_->close();
  current_.reset();
}

/// Until there is an answer to go on with, or no hope of one: then `why`, or what is worse.
Task<Result<void>> ResumingBody::resume(Error why) {
  failed_ = why;
  if (!point_ || !is_break(why)) co_return fail(why);
  co_await close();
  request_.trace.timings.end(Phase::kReceive);
  ended_ = point_->body_bytes() == received_bytes_;
  while (!ended_ && !current_) {
    if (const auto waited = co_await wait(); !waited) co_return waited;
    if (const auto asked = co_await ask_for_rest(); !asked) {
      failed_ = asked.error();
      co_return asked;
    }
  }
  co_return Result<void>{};
}

/// Before the rest is asked for. Error: it must not be.
Task<Result<void>> ResumingBody::wait() {
  if (resumes_ >= policy_.resumes_max) co_return fail(failed_);
  const TimePoint now = Clock::now();
  const TimePoint again = after(now, policy_.backoff.wait(resumes_, policy_.random()));
  if (again >= deadline_) co_return fail(failed_);
  if (policy_.budget != nullptr && !policy_.budget->take(now)) co_return fail(failed_);
  ++resumes_;
  const Result<void> slept = co_await sleep_until(again);
  request_.trace.timings.end(Phase::kQueue);
  if (!slept) failed_ = slept.error();
  co_return slept;
}

/// Sets current_ when the answer is the rest. Without it: it may be another time. Error: it will
/// never be.
Task<Result<void>> ResumingBody::ask_for_rest() {
  request_.fields.set_copy(http::FieldId::kRange, point_->range_from(received_bytes_));
  request_.fields.set_copy(http::FieldId::kIfRange, point_->validator());
  if (std::exchange(request_.decode, false))
    request_.fields.set(http::FieldId::kAcceptEncoding, "identity");  // as what there is of it
  metrics::add(metrics::Metric::kUpstreamRetries);
  Result<Response> answer = co_await sender_.send(request_);
  if (!answer) {
    if (answer.error().info().fault != Fault::kUpstream) co_return fail(answer.error());
    co_return Result<void>{};
  }
  if (may_send_again(request_.method, answer->status())) {
    co_await discard(*answer, request_.trace);
    co_return Result<void>{};
  }
  if (!point_->is_continued_by(head_of(*answer), received_bytes_)) {
    co_await answer->close();
    co_return fail(Errc::kUpstreamTruncated);
  }
  current_.emplace(std::move(*answer));
  co_return Result<void>{};
}

}  // namespace millrace::client
