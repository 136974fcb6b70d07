// Ends a tunnel in which nothing passes.
//
// Thread rule: one io thread.
#pragma once

#include "runtime/io_thread.hpp"
#include "runtime/scope.hpp"

#include <algorithm>

namespace millrace::proxy {

/// Cancels its scope with kUpstreamIdleTimeout when nothing has passed for a while; each piece is a
/// store.
class IdleLimit final : Deadline {
 public:
  /// Duration::max(): never.
  explicit IdleLimit(Duration limit) : limit_(limit) { passed_something(); }
  void passed_something() noexcept {
    if (limit_ != Duration::max()) IoThread::current().arm(*this, limit_);
  }
  /// From now on at most so long.
  void tighten(Duration limit) noexcept {
    limit_ = std::min(limit_, limit);
    passed_something();
  }
  [[nodiscard]] Scope& scope() noexcept { return scope_; }

 private:
  void expired() noexcept override { scope_.cancel(Errc::kUpstreamIdleTimeout); }
  Duration limit_;
  Scope scope_;
};

}  // namespace millrace::proxy
