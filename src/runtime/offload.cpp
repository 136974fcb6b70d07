#include "runtime/offload.hpp"

#include <pthread.h>

#include <algorithm>

namespace millrace {

Offload::Offload(Options options) : options_(options) {
  const unsigned count = std::max(options_.threads, 1U);
  threads_.reserve(count);
  for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { worker(); });
}

Offload::~Offload() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& t : threads_) t.join();
}

Offload::Stats Offload::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

bool Offload::submit(Job& job) {
  {
    const std::lock_guard lock(mutex_);
    const bool alone = stats_.queued + stats_.running == 0;
    const bool fits = stats_.queued < options_.queue_max && cost_ + job.cost_ <= options_.cost_max;
    if (stopping_ || (!fits && !alone)) {
      ++stats_.refused;
      return false;
    }
    cost_ += job.cost_;
    ++stats_.queued;
    queue_.push_back(job);
  }
  wake_.notify_one();
  return true;
}

bool Offload::withdraw(Job& job) {
  const std::lock_guard lock(mutex_);
  if (!job.is_linked()) return false;
  job.unlink();
  --stats_.queued;
  cost_ -= job.cost_;
  return true;
}

void Offload::Job::cancel() noexcept {
  token_.cancel();
  if (offload_.withdraw(*this)) ReadyQueue::current().push(*this);
}

void Offload::worker() {
  ::pthread_setname_np(::pthread_self(), "mr-cpu");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Job& job = queue_.front();
    queue_.pop_front();
    --stats_.queued;
    ++stats_.running;
    lock.unlock();
    job.execute();
    lock.lock();
    --stats_.running;
    ++stats_.completed;
    cost_ -= job.cost_;
    lock.unlock();
    // From here on the job belongs to its io thread again.
    job.home_->post([&job] {
      if (job.scope_ != nullptr) job.scope_->leave();
      ReadyQueue::current().push(job);
    });
    lock.lock();
  }
}

}  // namespace millrace
