#include "proxy/upstream_place.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace millrace::proxy {

TimePoint UpstreamPlace::until() noexcept {
  if (until_ == TimePoint::max()) until_ = after(Clock::now(), limits_.patience());
  return until_;
}

void UpstreamPlace::waited_since(TimePoint began) {
  const TimePoint now = Clock::now();
  request_.trace.timings.begin(began);
  request_.trace.timings.end(Phase::kQueue, now);
  waited_ += now - began;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(waited_).count();
  request_.fields.set_copy(http::FieldId::kXQueueTime, std::to_string(ms));
}

Task<Result<void>> UpstreamPlace::take() {
  const TimePoint began = Clock::now();
  Result<Admission::Permit> permit =
      co_await limits_.admission.enter({.again = given_away_, .until = until()});
  waited_since(began);
  if (!permit) {
    const bool no_target = permit.error().is(Errc::kQueueTimeout) && limits_.admission.is_closed();
    co_return fail(no_target ? Errc::kNoTarget : permit.error());
  }
  permit_ = std::move(*permit);
  co_return Result<void>{};
}

}  // namespace millrace::proxy
