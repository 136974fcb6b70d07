#include "runtime/descriptor.hpp"

#include "runtime/readiness_set.hpp"

#include <cassert>

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace millrace {

struct Descriptor::State final : ReadinessSet::Target, TurnHook {
  struct Side final : Deadline {
    ReadyWatcher* watcher = nullptr;
    bool maybe_ready = true;  // an event came, and no system call has met would-block since
    bool tell_later = false;  // the watcher came after its event: told at the end of the turn
    bool timed_out = false;
    Errc timeout_errc = Errc::kDeadline;

    void expired() noexcept override {
      timed_out = true;
      notify();
    }
    void notify() noexcept {
      if (ReadyWatcher* w = std::exchange(watcher, nullptr)) w->descriptor_ready();
    }
    void signal() noexcept {
      maybe_ready = true;
      notify();
    }
  };

  explicit State(int f) : io(IoThread::current()), fd(f) {
    if (io.readiness().add(fd, *this)) return;
    // Out of epoll watches or memory: fd is -1, and every system call and wait fails.
    ::close(std::exchange(fd, -1));
  }
  ~State() {
    if (fd < 0) return;
    io.readiness().remove(fd, *this);
    ::close(fd);
  }
  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void operator delete(void* p, std::size_t size) noexcept {
    frame_pool::deallocate(p, size);
  }

  [[nodiscard]] Side& side(Direction d) noexcept { return sides[static_cast<std::size_t>(d)]; }

  void ready(std::uint32_t events) noexcept override {
    if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) ended = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) side(Direction::kWrite).signal();
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
      side(Direction::kRead).signal();
  }

  void end_of_turn() noexcept override {
    for (Side& s : sides)
      if (std::exchange(s.tell_later, false)) s.notify();
  }

  /// Asks the kernel: edges tell only what is new, and somebody may have stopped before
  /// would-block.
  [[nodiscard]] bool is_ready(Direction d) const noexcept {
    const bool read = d == Direction::kRead;
    pollfd p{
        .fd = fd, .events = static_cast<short>(read ? POLLIN | POLLRDHUP : POLLOUT), .revents = 0};
    return ::poll(&p, 1, 0) != 0;
  }

  IoThread& io;
  int fd;
  std::array<Side, 2> sides;
  // The peer has sent its last byte, or worse: there is no further edge to wait for, even after a
  // read that did not fill its buffer.
  bool ended = false;
};

Descriptor::Descriptor(int fd) : state_(new State(fd)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this == &other) return *this;
  close();
  state_ = std::exchange(other.state_, nullptr);
  return *this;
}

int Descriptor::fd() const noexcept {
  return state_->fd;
}

void Descriptor::close() noexcept {
  State* s = std::exchange(state_, nullptr);
  if (s == nullptr) return;
  for (State::Side& side : s->sides) {
    side.unlink();
    side.notify();
  }
  delete s;
}

void Descriptor::set_deadline(Direction d, Duration from_now, Errc errc) noexcept {
  State::Side& side = state_->side(d);
  side.timed_out = false;
  side.timeout_errc = errc;
  if (from_now == Duration::max())
    side.disarm();
  else
    state_->io.arm(side, from_now);
}

void Descriptor::clear_deadline(Direction d) noexcept {
  State::Side& side = state_->side(d);
  side.timed_out = false;
  side.disarm();
}

bool Descriptor::timed_out(Direction d) const noexcept {
  return state_->side(d).timed_out;
}

void Descriptor::drained(Direction d) noexcept {
  state_->side(d).maybe_ready = d == Direction::kRead && state_->ended;
}

void Descriptor::watch(Direction d, ReadyWatcher& watcher) {
  State::Side& side = state_->side(d);
  assert(side.watcher == nullptr && "one watcher per direction");
  side.watcher = &watcher;
  if (!side.maybe_ready) return;
  side.tell_later = side.maybe_ready = state_->is_ready(d);
  if (side.tell_later) state_->io.at_end_of_turn(*state_);
}

void Descriptor::unwatch(Direction d, ReadyWatcher& watcher) noexcept {
  if (state_ == nullptr) return;
  State::Side& side = state_->side(d);
  if (side.watcher == &watcher) side.watcher = nullptr;
}

Errc Descriptor::failure(Direction d) const noexcept {
  if (state_ == nullptr) return Errc::kCancelled;
  if (state_->fd < 0) return Errc::kIo;
  const State::Side& side = state_->side(d);
  return side.timed_out ? side.timeout_errc : Errc::kCount_;
}

bool Descriptor::Wait::await_ready() noexcept {
  failure_ = descriptor_.failure(direction_);
  return failure_ != Errc::kCount_;
}

}  // namespace millrace
