// One request's place among those that an upstream works on, and what it has waited for places.
//
// It waits in the upstream's queue. Where targets have limits of their own and its target is full,
// it gives its place away while it waits there (target_sender.hpp), so that others go on, and takes
// one again afterwards. X-Queue-Time tells the service how long all of that took, in milliseconds.
//
// Ownership: of one exchange; outlived by the limits. Thread rule: one io thread.
#pragma once

#include "client/request.hpp"
#include "proxy/upstream_limits.hpp"

namespace millrace::proxy {

class UpstreamPlace {
 public:
  /// `request` is told of waits; it may begin anew, but not move.
  UpstreamPlace(UpstreamLimits& limits, client::Request& request) noexcept
      : limits_(limits), request_(request) {}

  [[nodiscard]] bool try_take() noexcept {
    permit_ = limits_.admission.try_enter();
    return static_cast<bool>(permit_);
  }
  /// Waits for its turn; who has given a place away comes first. Errors: kQueueFull,
  /// kQueueTimeout, kNoTarget (there was none all the time), the scope's.
  [[nodiscard]] Task<Result<void>> take();
  [[nodiscard]] bool held() const noexcept { return static_cast<bool>(permit_); }
  void give_away() noexcept {
    permit_ = {};
    given_away_ = true;
  }
  /// All waits for places together end then. From the first one on.
  [[nodiscard]] TimePoint until() noexcept;
  /// It has waited since then, here or at a target.
  void waited_since(TimePoint began);

 private:
  UpstreamLimits& limits_;
  client::Request& request_;
  Admission::Permit permit_;
  Duration waited_{};
  TimePoint until_ = TimePoint::max();
  bool given_away_ = false;
};

}  // namespace millrace::proxy
