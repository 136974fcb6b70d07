// What happens to the instances of one [process.NAME], and when: which slot is started, who serves,
// who is drained, stopped or killed, and how long a failure is waited for. Pure: time and events
// come in, actions go out. Who carries them out is service.hpp.
//
// The rules:
//   - `workers` slots; each has at most one instance that serves and one that starts.
//   - An instance that ends before it was ready and had answered is a failure: the next start waits
//     1, 2, 4, 8, 16 s (jittered), and after the first only one instance is started at a time. What
//     was started together fails together: one failure. The fifth in a row opens the circuit: from
//     then on one start every 30 s. An instance that gets ready and answers ends the row, and so
//     does one that was ready for a minute in which nobody asked it anything.
//   - An instance that ends after that is replaced at once, 30 times a minute at most.
//   - Replacing (rollout, recycling): one slot after the other. A second instance is started beside
//     the first; when it is ready it serves, the first one is withdrawn, drained, then stopped.
//     When a rollout's instance does not get ready, the rollout ends there and the old ones stay.
//     Recycling is tried again, after the pause that any failure costs.
//   - Stopping: SIGTERM, after `stop_timeout` SIGKILL. A hung one: SIGABRT, so that Python tells
//     where it stood, then SIGKILL. One whose socket is closed is withdrawn, drained and stopped,
//     and another is started in its place.
//
// Thread rule: one thread. Time never goes backwards.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::process {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// One start of one slot; never used twice.
using InstanceId = std::uint64_t;

inline constexpr Duration kBackoffBase = std::chrono::seconds(1);
inline constexpr unsigned kFailuresToOpen = 5;
inline constexpr Duration kProbePause = std::chrono::seconds(30);
inline constexpr std::size_t kReplacedPerMinuteMax = 30;
/// Ready for so long counts like an answer.
inline constexpr Duration kSettled = std::chrono::seconds(60);
/// From SIGABRT to SIGKILL: for the stacks to be written.
inline constexpr Duration kAbortGrace = std::chrono::seconds(5);

/// What became of an instance so far.
enum class Phase : std::uint8_t {
  kStarting,
  kServing,
  kDraining,  ///< gets nothing new
  kStopping,  ///< was sent SIGTERM
  kAborting,  ///< was sent SIGABRT
  kKilled,    ///< was sent SIGKILL
};
[[nodiscard]] std::string_view name_of(Phase phase) noexcept;

/// Why an instance is replaced or ended.
enum class Cause : std::uint8_t {
  kNone,
  kRollout,
  kRequests,
  kAge,
  kRss,
  kNotReady,
  kHung,
  kDeaf,  ///< it listens no longer
  kSurplus,
  kStop,
};
[[nodiscard]] std::string_view name_of(Cause cause) noexcept;

struct Action {
  enum class Kind : std::uint8_t {
    kStart,      ///< start `id` for slot `index` by definition `version`
    kServe,      ///< `id` gets requests from now on
    kWithdraw,   ///< `id` gets none any more; say drained() when the last has ended
    kTerminate,  ///< SIGTERM
    kAbort,      ///< SIGABRT
    kKill,       ///< SIGKILL
    kNotReady,   ///< `id` was not ready in time
    kCircuitOpened,
    kCircuitClosed,
    kRolledOut,      ///< every slot has what was rolled out
    kRolloutFailed,  ///< `id` did not get ready: the old ones stay
  };
  Kind kind;
  InstanceId id = 0;
  unsigned index = 0;
  std::uint64_t version = 0;
  Cause cause = Cause::kNone;
  friend bool operator==(const Action&, const Action&) = default;
};

class Lifecycle {
 public:
  struct Policy {
    unsigned workers = 1;
    Duration ready_timeout = std::chrono::seconds(60);
    Duration drain_timeout = std::chrono::seconds(30);
    Duration stop_timeout = std::chrono::seconds(10);
    std::optional<Duration> age;  ///< when an instance is recycled, give or take a tenth
  };
  struct Instance {
    InstanceId id = 0;
    unsigned index = 0;
    std::uint64_t version = 0;
    Phase phase = Phase::kStarting;
    Cause cause = Cause::kNone;  ///< why it is to go; for kStarting: why it replaces another
    TimePoint started;
    TimePoint deadline = TimePoint::max();  ///< of the phase
    TimePoint recycle_at = TimePoint::max();
    TimePoint settles_at = TimePoint::max();
    bool proven = false;    ///< was ready and has answered
    bool outdated = false;  ///< serves until its replacement does
  };

  /// `random`: uniform in [0, 1).
  Lifecycle(Policy policy, std::function<double()> random);

  // Events. Ids that are not known (any more) are harmless.
  void start(TimePoint now);
  void ready(InstanceId id, bool answered, TimePoint now);
  void answered(InstanceId id, TimePoint now);
  /// It has ended, or could not even be started.
  void exited(InstanceId id, TimePoint now);
  /// What it had to do is done.
  void drained(InstanceId id, TimePoint now);
  void recycle(InstanceId id, Cause cause, TimePoint now);
  void hung(InstanceId id, TimePoint now);
  /// Nobody listens at it any more: what it has begun it may finish.
  void deaf(InstanceId id, TimePoint now);
  /// Replaces every instance; `version` is told with the starts and kept if all goes well.
  void roll_out(std::uint64_t version, Policy policy, TimePoint now);
  /// Ends every instance; `drain`: lets them finish first.
  void stop(bool drain, TimePoint now);
  /// At once.
  void kill();
  /// What the time brings. After every event, and at next().
  void advance(TimePoint now);

  [[nodiscard]] TimePoint next() const noexcept;
  [[nodiscard]] std::vector<Action> take() { return std::exchange(actions_, {}); }

  [[nodiscard]] bool circuit_open() const noexcept { return failures_ >= kFailuresToOpen; }
  [[nodiscard]] unsigned failures() const noexcept { return failures_; }
  /// The earliest next start of a slot that has none.
  [[nodiscard]] TimePoint next_start() const noexcept { return next_start_; }
  [[nodiscard]] bool stopping() const noexcept { return stopping_; }
  [[nodiscard]] bool rolling_out() const noexcept { return rollout_; }
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
  [[nodiscard]] const std::vector<Instance>& instances() const noexcept { return instances_; }
  [[nodiscard]] const Instance* find(InstanceId id) const noexcept;

 private:
  [[nodiscard]] Instance* get(InstanceId id) noexcept;
  [[nodiscard]] Instance* in_slot(unsigned index, Phase phase) noexcept;
  [[nodiscard]] bool any_starting() const noexcept;
  void act(Action::Kind kind, const Instance& instance);
  void launch(unsigned index, std::uint64_t version, Cause cause, TimePoint now);
  void begin_draining(Instance& instance, Cause cause, TimePoint now);
  void terminate(Instance& instance, Cause cause, TimePoint now);
  void kill(Instance& instance);
  void prove(Instance& instance, TimePoint now);
  void fail(const Instance& instance, TimePoint now);
  void fail_start(const Instance& instance, TimePoint now);
  void end_rollout(const Instance& instance);
  void replaced_at_once(TimePoint now);
  /// One that served does no longer, and nobody wanted that.
  void lost(const Instance& instance, TimePoint now);
  void pass_deadlines(TimePoint now);
  void fill_slots(TimePoint now);
  void replace_outdated(TimePoint now);
  void check_rollout();
  [[nodiscard]] Duration jittered(Duration d, double share);

  Policy policy_;
  Policy old_policy_;  // while a rollout may still fail
  const std::function<double()> random_;
  std::vector<Instance> instances_;
  std::vector<Action> actions_;
  InstanceId next_id_ = 1;
  std::uint64_t version_ = 1;    // what slots that lost their instance get
  std::uint64_t candidate_ = 1;  // what is being rolled out
  bool rollout_ = false;
  bool started_ = false;
  bool stopping_ = false;
  unsigned failures_ = 0;
  TimePoint last_failure_ = TimePoint::min();
  TimePoint next_start_ = TimePoint::min();
  std::deque<TimePoint> replaced_;  // of the last minute
};

}  // namespace millrace::process
