#include "runtime/io_threads.hpp"

#include <latch>
#include <string>

#include <pthread.h>

namespace millrace {

IoThreads::IoThreads(unsigned count) {
  for (unsigned i = 0; i < count; ++i) threads_.push_back(std::make_unique<IoThread>(i));
}

IoThreads::~IoThreads() {
  stop();
  join();
}

void IoThreads::start() {
  for (const auto& io : threads_) {
    running_.emplace_back([&io = *io] {
      ::pthread_setname_np(::pthread_self(), ("mr-io-" + std::to_string(io.index())).c_str());
      io.run();
    });
  }
}

void IoThreads::stop() {
  for (const auto& io : threads_) io->stop();
}

void IoThreads::join() {
  for (std::thread& t : running_) t.join();
  running_.clear();
}

void IoThreads::on_each(const std::function<void(IoThread&)>& f) {
  std::latch done(static_cast<std::ptrdiff_t>(threads_.size()));
  for (const auto& io : threads_) {
    io->post([&] {
      f(IoThread::current());
      done.count_down();
    });
  }
  done.wait();
}

}  // namespace millrace
