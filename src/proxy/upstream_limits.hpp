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

  /// From now on `options`, but for the number of targets. What is under way and who waits counts
  /// on.
  void configure(const Options& options);
  [[nodiscard]] bool has_target_limits() const noexcept {
    return has_target_limits_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t targets() const noexcept { return targets_; }
  /// For all places that a request waits for together.
  [[nodiscard]] Duration patience() const noexcept {
    return patience_.load(std::memory_order_relaxed);
  }
  /// So many from now on. Without any, requests wait in the queue until there is one.
  void set_targets(std::size_t count);
  /// That of the target of this name, which whoever has a place there keeps alive. Only with
  /// has_target_limits().
  [[nodiscard]] std::shared_ptr<Admission> of_target(std::string_view name);
  /// Of the upstream; those who wait at targets are among those who wait.
  [[nodiscard]] Admission::Status status();

 private:
  [[nodiscard]] Admission::Options each_target() const;

  std::atomic<bool> has_target_limits_;
  std::atomic<std::size_t> targets_;
  std::atomic<Duration> patience_;
  std::mutex mutex_;
  Options options_;
  std::map<std::string, std::shared_ptr<Admission>, std::less<>> of_targets_;
};

}  // namespace millrace::proxy
