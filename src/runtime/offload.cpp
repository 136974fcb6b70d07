#include "runtime/offload.hpp"

#include <algorithm>

#include <pthread.h>

namespace millrace {

namespace {
Offload::Options at_least_one_thread(Offload::Options o) {
  o.threads = std::max(o.threads, 1U);
  return o;
}
}  // namespace

Offload::Offload(Options options) : options_(at_least_one_thread(options)) {
  threads_.reserve(options_.threads);
  for (unsigned i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { worker(); });
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

bool Offload::fits(const Job& job) const noexcept {
  const std::size_t admitted = stats_.queued + stats_.running;
  if (admitted == 0) return true;
  // A job that a thread is about to fetch is queued for a moment: both are counted, so that
  // admission does not depend on how fast a thread wakes.
  if (admitted >= options_.threads && admitted - options_.threads >= options_.queue_max)
    return false;
  return cost_ <= options_.cost_max && job.cost_ <= options_.cost_max - cost_;
}

bool Offload::submit(Job& job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || !fits(job)) {
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
