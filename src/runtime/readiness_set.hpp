// The descriptors of one io thread in an epoll set of their own, which Asio watches as one
// descriptor.
//
// Asio's async_wait costs an epoll_ctl per wait, and once it has waited for writing it is woken for
// it ever after. Here each descriptor is registered once, edge-triggered, for reading, writing and
// the peer's end (EPOLLRDHUP); waiting for it then costs no system call at all, and one turn wakes
// everybody who is ready. Asio keeps what it is good at: timers, posting, running handlers.
//
// An idle thread sleeps in Asio. Coming back from there costs an epoll_wait and an epoll_ctl beyond
// the one epoll_wait of a turn, so a busy thread stays away for a while: it sleeps in this set, for
// kAwayMax at most, and goes back at once when something is posted (interrupt) or a precise timer
// is due. What else Asio has to tell, the coarse tick above all, comes that much later.
//
// Ownership: targets are owned by whoever added them and must be removed before they die.
// Thread rule: the io thread that owns it; interrupt() from any.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <sys/epoll.h>

namespace millrace {

class IoThread;

/// Brings the thread of a set back to Asio. Outlives the set for those who hold it: whoever has
/// posted the last thing a thread was waiting for finds the thread gone.
class Interrupter {
 public:
  /// Throws std::system_error when there is no descriptor to be had.
  Interrupter();
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;
  ~Interrupter();

  /// Asio has got something to do. From any thread, after it was given to Asio.
  void interrupt() noexcept;

 private:
  friend class ReadinessSet;
  const int fd_;
  std::atomic<bool> interrupted_{false};  // since the thread left Asio
  std::atomic<bool> asleep_{false};       // in its set, not in Asio's
};

class ReadinessSet {
 public:
  class Target {
   public:
    /// `events`: EPOLLIN and friends, as they were when the turn began. Must not run coroutines.
    virtual void ready(std::uint32_t events) noexcept = 0;

   protected:
    ~Target() = default;
  };

  /// Throws std::system_error when there is no epoll descriptor to be had.
  explicit ReadinessSet(IoThread& io);
  ReadinessSet(const ReadinessSet&) = delete;
  ReadinessSet& operator=(const ReadinessSet&) = delete;
  ~ReadinessSet();

  /// Edge-triggered, for everything. False, with errno, when the kernel refuses.
  [[nodiscard]] bool add(int fd, Target& target) noexcept;
  /// Level-triggered, for `events`, from now on. `watched`: it was before. Else as add().
  [[nodiscard]] bool watch(int fd, Target& target, std::uint32_t events, bool watched) noexcept;
  void remove(int fd, Target& target) noexcept;
  /// Lets Asio go; before the io_context dies.
  void close() noexcept;

  [[nodiscard]] const std::shared_ptr<Interrupter>& interrupter() const noexcept {
    return interrupter_;
  }

 private:
  struct Watch;
  struct Wake final : Target {
    void ready(std::uint32_t) noexcept override {}  // the edge is all there is to it
  };
  /// Events taken per turn; more are left for the next one.
  static constexpr std::size_t kEventsPerTurnMax = 128;
  /// How long Asio is left alone at most. A thread that was busy this long ago counts as busy.
  static constexpr std::chrono::milliseconds kAwayMax{10};

  void arm();
  void dispatch();
  /// Wakes whoever is ready and lets them run; how many events there were.
  std::size_t take_turn(int sleep_ms);
  /// A turn that sleeps in this set until something is ready; false when Asio should have a look.
  bool stay(TimePoint until);

  IoThread& io_;
  const std::shared_ptr<Interrupter> interrupter_;
  int epoll_;
  Wake wake_;
  std::unique_ptr<Watch> watch_;
  TimePoint busy_at_{};
  std::array<epoll_event, kEventsPerTurnMax> events_;
  std::size_t event_count_ = 0;  // > 0 while dispatching
};

}  // namespace millrace
