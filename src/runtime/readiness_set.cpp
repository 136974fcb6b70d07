#include "runtime/readiness_set.hpp"

#include "runtime/io_thread.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

namespace millrace {

struct ReadinessSet::Watch {
  using Descriptor =
      boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;
  Watch(IoThread& io, int epoll) : descriptor(io.context().get_executor(), epoll) {}
  Descriptor descriptor;
};

ReadinessSet::ReadinessSet(IoThread& io) : io_(io), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  watch_ = std::make_unique<Watch>(io, epoll_);
  arm();
}

ReadinessSet::~ReadinessSet() = default;

void ReadinessSet::close() noexcept {
  boost::system::error_code ec;
  watch_->descriptor.close(ec);
  epoll_ = -1;  // what is removed later must not reach a stranger of the same number
}

bool ReadinessSet::add(int fd, Target& target) noexcept {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &target;
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
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

std::size_t ReadinessSet::take_turn() {
  const IoThread::Turn turn(io_);
  const int count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
  event_count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
  for (std::size_t i = 0; i < event_count_; ++i) {
    auto* target = static_cast<Target*>(events_[i].data.ptr);
    if (target != nullptr) target->ready(events_[i].events);
  }
  return std::exchange(event_count_, 0);
}

void ReadinessSet::dispatch() {
  for (int turn = 0; turn < kTurnsPerDispatchMax; ++turn)
    if (take_turn() < kBusyEventsMin) break;
  arm();
}

}  // namespace millrace
