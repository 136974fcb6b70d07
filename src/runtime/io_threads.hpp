// The io threads of the process: made together, run together, stopped together.
#pragma once

#include "runtime/io_thread.hpp"

#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

namespace millrace {

class IoThreads {
 public:
  /// `count` >= 1. Threads do not run yet.
  explicit IoThreads(unsigned count);
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;
  /// stop() and join().
  ~IoThreads();

  /// Starts every thread.
  void start();
  /// From any thread; does not wait.
  void stop();
  void join();

  [[nodiscard]] std::size_t size() const noexcept { return threads_.size(); }
  [[nodiscard]] IoThread& operator[](std::size_t i) noexcept { return *threads_[i]; }

  /// Runs `f(thread)` on every thread and waits until all have. Not from an io thread.
  void on_each(const std::function<void(IoThread&)>& f);

 private:
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::vector<std::thread> running_;
};

}  // namespace millrace
