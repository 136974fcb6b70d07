// What all io threads know together of one upstream: its targets, and which of them may be used.
//
// Whoever knows of targets (the configuration, DNS, supervised processes) publishes the whole set;
// every io thread has it with its next request. A request in flight keeps its target. Who takes a
// target away waits for in_flight(name) to become 0 before it stops what is there.
//
// Changes are made under a mutex, and are rare; what each request looks at is one atomic number,
// version(), which is another one after every change.
//
// Thread rule: any thread. Ownership: shared; a TargetBoard keeps it across reloads.
#pragma once

#include "proxy/target_state.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::proxy {

class UpstreamState {
 public:
  struct Entry {
    TargetSpec spec;
    std::shared_ptr<TargetState> state;
  };
  using Targets = std::vector<Entry>;

  explicit UpstreamState(std::string name) : name_(std::move(name)) {}
  UpstreamState(const UpstreamState&) = delete;
  UpstreamState& operator=(const UpstreamState&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  // --- targets ---
  /// These are its targets from now on. Of two of the same name the weights are added. One that was
  /// there before, or is still in use, goes on with all that is known of it.
  void publish(std::vector<TargetSpec> specs);
  [[nodiscard]] std::shared_ptr<const Targets> targets() const;
  /// `told` hears how many targets there are, now and with every publish(), on its thread and with
  /// the lock held. One at a time: the next call takes the place of the last.
  void watch_count(std::function<void(std::size_t)> told);
  /// Requests to `target` of all threads, also when it is published no longer.
  [[nodiscard]] std::uint64_t in_flight(std::string_view target) const;
  /// Changes with everything that decides who may be used.
  [[nodiscard]] std::uint64_t version() const noexcept {
    return version_.load(std::memory_order_acquire);
  }

  // --- health ---
  /// Active checks have found that it is (or is no longer) ill.
  void set_unhealthy(TargetState& target, bool unhealthy);

  // --- the operator ---
  /// Nothing new for `target` (or again). False: there is none of that name.
  bool set_drained(std::string_view target, bool drained);

 private:
  [[nodiscard]] std::shared_ptr<TargetState> state_of(const std::string& target);
  void set_flag(TargetState& target, TargetState::Flag flag, bool on) noexcept;
  void changed() noexcept { version_.fetch_add(1); }

  const std::string name_;
  std::atomic<std::uint64_t> version_ = 1;
  mutable std::mutex mutex_;
  std::shared_ptr<const Targets> targets_ = std::make_shared<const Targets>();
  std::function<void(std::size_t)> count_watcher_;
  /// Those of today, and others that somebody still uses.
  std::map<std::string, std::weak_ptr<TargetState>, std::less<>> known_;
};

/// "127.0.0.1:8000", "[::1]:8000", "unix:/path", "name:80".
[[nodiscard]] std::string name_of(const client::OriginSpec& spec);

}  // namespace millrace::proxy
