// What a row of active checks comes to: ill after some failures in a row, well again after some
// successes. The first check of all decides by itself.
//
// Pure. Thread rule: one thread.
#pragma once

namespace millrace::proxy {

class HealthCounter {
 public:
  struct Options {
    unsigned healthy = 2;    ///< successes in a row that make it well again
    unsigned unhealthy = 3;  ///< failures in a row that make it ill
  };

  /// The verdict after one more check.
  [[nodiscard]] bool check(bool passed, const Options& options) noexcept {
    if (!known_) {
      known_ = true;
      healthy_ = passed;
      return healthy_;
    }
    against_ = passed == healthy_ ? 0 : against_ + 1;
    if (against_ >= (healthy_ ? options.unhealthy : options.healthy)) {
      healthy_ = passed;
      against_ = 0;
    }
    return healthy_;
  }

 private:
  bool known_ = false;
  bool healthy_ = true;
  unsigned against_ = 0;  ///< checks in a row that contradict the verdict
};

}  // namespace millrace::proxy
