// The descriptors of one io thread in an epoll set of their own, which Asio watches as one
// descriptor.
//
// Asio's async_wait costs an epoll_ctl per wait, and once it has waited for writing it is woken for
// it ever after. Here each descriptor is registered once, edge-triggered, for reading, writing and
// the peer's end (EPOLLRDHUP); waiting for it then costs no system call at all, and one turn wakes
// everybody who is ready. Asio keeps what it is good at: timers, posting, running handlers. Price:
// one epoll_wait and one epoll_ctl more per turn, shared by all descriptors that are ready in it.
//
// Ownership: targets are owned by whoever added them and must be removed before they die.
// Thread rule: the io thread that owns it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <sys/epoll.h>

namespace millrace {

class IoThread;

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

  /// False, with errno, when the kernel refuses.
  [[nodiscard]] bool add(int fd, Target& target) noexcept;
  void remove(int fd, Target& target) noexcept;
  /// Lets Asio go; before the io_context dies.
  void close() noexcept;

 private:
  struct Watch;
  /// Events taken per turn; more are left for the next one.
  static constexpr std::size_t kEventsPerTurnMax = 128;

  /// So many at once mean that more have probably come while they were dealt with: the set is asked
  /// again before Asio is, which saves two system calls.
  static constexpr std::size_t kBusyEventsMin = 4;
  /// Then timers and posts get their chance.
  static constexpr int kTurnsPerDispatchMax = 8;

  void arm();
  void dispatch();
  /// Wakes whoever is ready and lets them run; how many events there were.
  std::size_t take_turn();

  IoThread& io_;
  int epoll_;
  std::unique_ptr<Watch> watch_;
  std::array<epoll_event, kEventsPerTurnMax> events_;
  std::size_t event_count_ = 0;  // > 0 while dispatching
};

}  // namespace millrace
