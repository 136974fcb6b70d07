// What all io threads share of one upstream: how much it is asked at once, and how much again.
//
// Ownership: outlives the proxies that refer to it. Thread rule: any thread.
#pragma once

#include "client/retry_budget.hpp"
#include "proxy/admission.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::proxy {

struct UpstreamLimits {
  struct Options {
    /// Of the whole upstream. With limits of targets, never more than these add up to: those who
    /// wait do it in one queue.
    Admission::Options admission;
    std::optional<std::uint32_t> per_target;
    /// At the start; set_targets() tells of others.
    std::size_t targets = 1;
    client::RetryBudget::Options budget;
    friend bool operator==(const Options&, const Options&) = default;
  };

  UpstreamLimits() : UpstreamLimits(Options{}) {}
  explicit UpstreamLimits(const Options& options);

  Admission admission;
  client::RetryBudget budget;

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] bool has_target_limits() const noexcept { return options_.per_target.has_value(); }
  [[nodiscard]] std::size_t targets() const noexcept { return targets_; }
  /// So many from now on. Without any, requests wait in the queue until there is one.
  void set_targets(std::size_t count);
  /// That of the target of this name, which whoever has a place there keeps alive. Only with
  /// has_target_limits().
  [[nodiscard]] std::shared_ptr<Admission> of_target(std::string_view name);

 private:
  const Options options_;
  std::atomic<std::size_t> targets_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Admission>, std::less<>> of_targets_;
};

}  // namespace millrace::proxy
