// The body of an answer that goes on when its connection breaks: the rest is asked for by Range and
// If-Range, and the reader sees one body.
//
// It goes on after a truncation, a reset or an idle timeout, if resume_point.hpp finds that the
// rest can be asked for. If the representation has changed meanwhile, or the answer is not exactly
// the rest, the body ends in kUpstreamTruncated: nothing is mixed. Bodies whose coding Client
// undoes are not resumed, since positions are those of the coded bytes; nor are answers to requests
// that had a body.
//
// Ownership: holds the response; `sender`, `request` and the policy's budget outlive it. Views of
// the first answer's head end with the first read() that resumes. Range, If-Range and
// `decode` of the request are overwritten. Thread rule: one io thread.
#pragma once

#include "client/backoff.hpp"
#include "client/resume_point.hpp"
#include "client/retry_budget.hpp"
#include "client/sender.hpp"

#include <cstdint>
#include <optional>

namespace millrace::client {

struct ResumePolicy {
  /// How often the rest may be asked for, tries that came to nothing included.
  unsigned resumes_max = 3;
  Backoff backoff;
  /// Shared with the retries; not owned. nullptr: no limit but resumes_max.
  RetryBudget* budget = nullptr;
  RandomBits random = thread_random;
};

class ResumingBody {
 public:
  /// `response`: the answer to `request`, of whose body nothing has been read. `deadline`: as in
  /// fetch_with_retries.
  ResumingBody(Sender& sender, Request& request, Response response, ResumePolicy policy,
               TimePoint deadline = TimePoint::max());
  ResumingBody(const ResumingBody&) = delete;
  ResumingBody& operator=(const ResumingBody&) = delete;

  /// As Response::read. request.body_bytes_max holds for the whole.
  [[nodiscard]] Task<Result<Bytes>> read();
  /// The body was read to its end.
  [[nodiscard]] bool done() const noexcept;
  /// The fields behind the body, once it was read to its end; nullptr: none.
  [[nodiscard]] const http::Fields* trailers() const {
    return current_ ? current_->trailers() : nullptr;
  }
  /// How often the rest was asked for.
  [[nodiscard]] unsigned resumes() const noexcept { return resumes_; }
  /// Lets the connection go.
  [[nodiscard]] Task<void> close();

 private:
  [[nodiscard]] Result<void> count(const Bytes& piece) noexcept;
  [[nodiscard]] bool is_short() const noexcept;
  [[nodiscard]] Task<Result<void>> resume(Error why);
  [[nodiscard]] Task<Result<void>> wait();
  [[nodiscard]] Task<Result<void>> ask_for_rest();

  Sender& sender_;
  Request& request_;
  const ResumePolicy policy_;
  const TimePoint deadline_;
  std::optional<Response> current_;  // nullopt: let go, or failed
  std::optional<ResumePoint> point_;
  std::uint64_t received_bytes_ = 0;
  unsigned resumes_ = 0;
  bool ended_ = false;              // all of it came, though its framing's end did not
  Error failed_ = Errc::kInternal;  // without current_: why
};

}  // namespace millrace::client
