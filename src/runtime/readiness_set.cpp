#include "runtime/readiness_set.hpp"

#include "runtime/io_thread.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace {

struct ReadinessSet::Watch {
  using Descriptor =
      boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;
  Watch(IoThread& io, int epoll) : descriptor(io.context().get_executor(), epoll) {}
  Descriptor descriptor;
};

namespace {

using std::chrono::milliseconds;

int checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return fd;
}

}  // namespace

Interrupter::Interrupter() : fd_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {}

Interrupter::~Interrupter() {
  ::close(fd_);
}

void Interrupter::interrupt() noexcept {
  // Either this thread sees that the other sleeps, or the other sees this before it does (stay).
  interrupted_.store(true, std::memory_order_seq_cst);
  if (!asleep_.load(std::memory_order_seq_cst)) return;
  const std::uint64_t one = 1;
  (void)!::write(fd_, &one, sizeof(one));  // full means that it is awake already
}

ReadinessSet::ReadinessSet(IoThread& io)
    : io_(io),
      interrupter_(std::make_shared<Interrupter>()),
      epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      watch_(std::make_unique<Watch>(io, epoll_)) {
  checked(add(interrupter_->fd_, wake_) ? 0 : -1, "epoll_ctl");
  arm();
}

ReadinessSet::~ReadinessSet() = default;

void ReadinessSet::close() noexcept {
  boost::system::error_code ec;
  watch_->descriptor.close(ec);
  epoll_ = -1;  // what is removed later must not reach a stranger of the same number
}

bool ReadinessSet::add(int fd, Target& target) noexcept {
  return watch(fd, target, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, false);
}

bool ReadinessSet::watch(int fd, Target& target, std::uint32_t events, bool watched) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &target;
  return ::epoll_ctl(epoll_, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0;
}

void ReadinessSet::remove(int fd, Target& target) noexcept {
  // Closing alone is not enough: a duplicate of the descriptor would keep the registration alive.
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  for (std::size_t i = 0; i < event_count_; ++i)
    if (events_[i].data.ptr == &target) events_[i].data.ptr = nullptr;
}

void ReadinessSet::arm() {
  watch_->descriptor.async_wait(Watch::Descriptor::wait_read,
                                [this](const boost::system::error_code& ec) {
                                  if (!ec) dispatch();
                                });
}

std::size_t ReadinessSet::take_turn(int sleep_ms) {
  const IoThread::Turn turn(io_);
  const int count =
      ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), sleep_ms);
  interrupter_->asleep_.store(false, std::memory_order_relaxed);
  turn.begin();
  event_count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
  for (std::size_t i = 0; i < event_count_; ++i) {
    auto* target = static_cast<Target*>(events_[i].data.ptr);
    if (target != nullptr) target->ready(events_[i].events);
  }
  return std::exchange(event_count_, 0);
}

bool ReadinessSet::stay(TimePoint until) {
  const TimePoint now = Clock::now();
  const auto left = std::min(until, io_.next_precise_timer()) - now;
  if (left < milliseconds(1)) return false;
  interrupter_->asleep_.store(true, std::memory_order_seq_cst);
  if (interrupter_->interrupted_.load(std::memory_order_seq_cst)) {
    interrupter_->asleep_.store(false, std::memory_order_relaxed);
    return false;
  }
  if (take_turn(static_cast<int>(std::chrono::floor<milliseconds>(left).count())) == 0)
    return false;
  busy_at_ = now;
  return true;
}

void ReadinessSet::dispatch() {
  const TimePoint now = Clock::now();
  const bool busy = now - busy_at_ < kAwayMax;
  busy_at_ = now;
  take_turn(0);
  while (busy && stay(now + kAwayMax)) {
  }
  // What was posted until here lies in Asio's queue, where we return to.
  interrupter_->interrupted_.store(false, std::memory_order_relaxed);
  arm();
}

}  // namespace millrace
