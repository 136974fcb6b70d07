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

#include "proxy/breaker.hpp"
#include "proxy/outlier.hpp"
#include "proxy/target_state.hpp"
#include "runtime/deadline_wheel.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::proxy {

/// When targets are left alone, and how they come back.
struct HealthPolicy {
  OutlierDetector::Options outlier;
  Breaker::Options breaker;
  /// How long a target that comes back, or is new among others, takes to get all of its share.
  Duration slow_start{};
};

class UpstreamState {
 public:
  /// How often tick() wants to be called while something lasts, and when nothing does.
  static constexpr auto kTick = std::chrono::milliseconds(250);
  static constexpr auto kIdleTick = std::chrono::seconds(1);

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
  /// the lock held, until it returns false.
  void watch_count(std::function<bool(std::size_t)> told);
  /// Requests to `target` of all threads, also when it is published no longer.
  [[nodiscard]] std::uint64_t in_flight(std::string_view target) const;
  /// Changes with everything that decides who may be used.
  [[nodiscard]] std::uint64_t version() const noexcept {
    return version_.load(std::memory_order_acquire);
  }

  /// When a target is to be expected, for requests that find none. nullopt: not; they fail at once.
  void expect(std::optional<std::chrono::seconds> in) noexcept {
    expected_in_.store(in ? in->count() : -1, std::memory_order_relaxed);
  }
  [[nodiscard]] std::optional<std::chrono::seconds> expected() const noexcept {
    const std::int64_t in = expected_in_.load(std::memory_order_relaxed);
    if (in < 0) return std::nullopt;
    return std::chrono::seconds(in);
  }

  // --- health ---
  void set_policy(const HealthPolicy& policy);
  /// Active checks have found that it is (or is no longer) ill. `why`: of an illness, for people.
  void set_unhealthy(TargetState& target, bool unhealthy, TimePoint now, std::string why = {});
  /// A lease of `target` has ended.
  void ended(TargetState& target, Outcome outcome, Errc cause, bool probed);
  /// Ejections end and begin, slow starts go on. Returns when to call again.
  Duration tick(TimePoint now);
  [[nodiscard]] Breaker& breaker() noexcept { return breaker_; }

  /// For people: why a target gets nothing, or less than its share.
  struct Standing {
    std::string_view state;  ///< "healthy", "unhealthy", "ejected", "draining"
    std::string reason;      ///< empty for healthy ones
    TimePoint since{};       ///< the last change
    std::uint64_t ejections = 0;
  };
  struct Report {
    Entry entry;
    Standing standing;
  };
  /// All targets as they are now.
  [[nodiscard]] std::vector<Report> report() const;

  // --- the operator ---
  /// Nothing new for `target` (or again). False: there is none of that name.
  bool set_drained(std::string_view target, bool drained, TimePoint now);

  // --- names that stand for several targets (target_follower.hpp) ---
  /// What `source` came to last: kept across reloads.
  void remember(const std::string& source, std::vector<TargetSpec> specs);
  /// Empty: nothing is known of it.
  [[nodiscard]] std::vector<TargetSpec> remembered(const std::string& source) const;

 private:
  /// What is told of a target, and what its slow start needs.
  struct Note {
    TimePoint since{};
    std::string unhealthy;  ///< why active checks say so
    OutlierDetector::Reason ejected = OutlierDetector::Reason::kNone;
    std::uint64_t ejections = 0;
    TimePoint ramp_began = TimePoint::max();  ///< max: all of its share
  };

  [[nodiscard]] std::shared_ptr<TargetState> state_of(const std::string& target);
  void tell_count();
  void set_flag(TargetState& target, TargetState::Flag flag, bool on) noexcept;
  void changed() noexcept { version_.fetch_add(1); }
  void suspect(TargetState& target, TimePoint now);
  [[nodiscard]] std::vector<OutlierDetector::Sample> samples() const;
  void apply(const OutlierDetector::Change& change, TimePoint now);
  /// It may be used again from now on.
  void begin_ramp(TargetState& target, TimePoint now);
  [[nodiscard]] bool go_on_ramping(TimePoint now);
  [[nodiscard]] TargetState* find(std::uint64_t id) const;

  const std::string name_;
  std::atomic<std::uint64_t> version_ = 1;
  std::atomic<std::int64_t> expected_in_ = -1;
  mutable std::mutex mutex_;
  std::shared_ptr<const Targets> targets_ = std::make_shared<const Targets>();
  std::vector<std::function<bool(std::size_t)>> count_watchers_;
  /// Those of today, and others that somebody still uses.
  std::map<std::string, std::weak_ptr<TargetState>, std::less<>> known_;
  HealthPolicy policy_;
  std::atomic<unsigned> suspicious_after_ = OutlierDetector::Options{}.failures;
  OutlierDetector outliers_{{}};
  Breaker breaker_;
  std::map<std::uint64_t, Note> notes_;  // by id, of today's targets
  std::map<std::string, std::vector<TargetSpec>, std::less<>> remembered_;
};

/// "127.0.0.1:8000", "[::1]:8000", "unix:/path", "name:80".
[[nodiscard]] std::string name_of(const client::OriginSpec& spec);
/// host[:port], the port only where it is not the scheme's own (RFC 9110 section 4.2.3).
[[nodiscard]] std::string authority_of(const client::OriginSpec& spec);

}  // namespace millrace::proxy
