#include "runtime/descriptor.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cassert>
#include <cstddef>
#include <new>

namespace millrace {

namespace {

using AsioDescriptor = boost::asio::posix::basic_stream_descriptor<IoThread::Executor>;

constexpr std::size_t kOpBytesMax = 192;

/// Memory for the one pending wait of a direction, so that waiting never allocates.
struct OpMemory {
  alignas(std::max_align_t) std::array<std::byte, kOpBytesMax> bytes;
};

template <class T>
struct OpAllocator {
  using value_type = T;
  OpMemory* memory;

  explicit OpAllocator(OpMemory* m) noexcept : memory(m) {}
  template <class U>
  OpAllocator(const OpAllocator<U>& other) noexcept : memory(other.memory) {}  // NOLINT

  T* allocate(std::size_t n) {
    static_assert(sizeof(T) <= kOpBytesMax && alignof(T) <= alignof(std::max_align_t));
    assert(n == 1);
    (void)n;
    return reinterpret_cast<T*>(memory->bytes.data());
  }
  void deallocate(T*, std::size_t) noexcept {}
  template <class U>
  bool operator==(const OpAllocator<U>& other) const noexcept {
    return memory == other.memory;
  }
};

}  // namespace

struct Descriptor::State {
  struct Side final : Deadline {
    ReadyWatcher* watcher = nullptr;
    bool armed_in_reactor = false;
    bool signalled = false;  // an event came while nobody watched
    bool timed_out = false;
    Errc timeout_errc = Errc::kDeadline;
    OpMemory op;

    void expired() noexcept override {
      timed_out = true;
      notify();
    }
    void notify() noexcept {
      if (ReadyWatcher* w = std::exchange(watcher, nullptr)) w->descriptor_ready();
    }
  };

  explicit State(int fd) : io(IoThread::current()), descriptor(io.executor()) {
    boost::system::error_code ec;
    descriptor.assign(fd, ec);
    if (ec) {
      // Out of epoll watches or memory: the descriptor behaves as closed at its first wait.
      ::close(fd);
    }
  }
  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void operator delete(void* p, std::size_t size) noexcept { frame_pool::deallocate(p, size); }

  [[nodiscard]] Side& side(Direction d) noexcept { return sides[static_cast<std::size_t>(d)]; }
  [[nodiscard]] bool idle() const noexcept {
    return !sides[0].armed_in_reactor && !sides[1].armed_in_reactor;
  }

  struct Handler {
    State* state;
    Direction direction;
    using allocator_type = OpAllocator<void>;
    [[nodiscard]] allocator_type get_allocator() const noexcept {
      return allocator_type(&state->side(direction).op);
    }
    void operator()(const boost::system::error_code&) const { state->fired(direction); }
  };

  void arm(Direction d) {
    side(d).armed_in_reactor = true;
    descriptor.async_wait(d == Direction::kRead ? AsioDescriptor::wait_read : AsioDescriptor::wait_write,
                          Handler{this, d});
  }

  void fired(Direction d) {
    Side& s = side(d);
    s.armed_in_reactor = false;
    if (closed) {
      if (idle()) delete this;
      return;
    }
    const IoThread::Turn turn(io);
    if (s.watcher == nullptr)
      s.signalled = true;
    else
      s.notify();
  }

  IoThread& io;
  AsioDescriptor descriptor;
  std::array<Side, 2> sides;
  bool closed = false;
};

Descriptor::Descriptor(int fd) : state_(new State(fd)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this == &other) return *this;
  close();
  state_ = std::exchange(other.state_, nullptr);
  return *this;
}

int Descriptor::fd() const noexcept { return state_->descriptor.native_handle(); }

void Descriptor::close() noexcept {
  State* s = std::exchange(state_, nullptr);
  if (s == nullptr) return;
  s->closed = true;
  for (State::Side& side : s->sides) {
    side.unlink();
    side.notify();
  }
  boost::system::error_code ec;
  s->descriptor.close(ec);
  if (s->idle()) delete s;
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

void Descriptor::watch(Direction d, ReadyWatcher& watcher) {
  State::Side& side = state_->side(d);
  assert(side.watcher == nullptr && "one watcher per direction");
  side.watcher = &watcher;
  side.signalled = false;
  if (!side.armed_in_reactor) state_->arm(d);
}

void Descriptor::unwatch(Direction d, ReadyWatcher& watcher) noexcept {
  if (state_ == nullptr) return;
  State::Side& side = state_->side(d);
  if (side.watcher == &watcher) side.watcher = nullptr;
}

bool Descriptor::Wait::await_ready() noexcept {
  if (!descriptor_.is_open()) return true;
  State::Side& side = descriptor_.state_->side(direction_);
  return side.timed_out || std::exchange(side.signalled, false);
}

Result<void> Descriptor::Wait::await_resume() noexcept {
  if (was_cancelled()) return fail(cancel_reason());
  if (!descriptor_.is_open()) return fail(Errc::kCancelled);
  const State::Side& side = descriptor_.state_->side(direction_);
  if (side.timed_out) return fail(side.timeout_errc);
  return {};
}

}  // namespace millrace
