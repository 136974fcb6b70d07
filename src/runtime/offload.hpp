// The CPU pool: work over ~100 us leaves the io threads and comes back as a value.
//
//   Result<Sum> r = co_await offload.run(cost_bytes, [&](const CancelToken& stop) { ... });
//
// Admission happens at once: a job is refused with kOffloadFull when every thread has a job and
// `queue_max` more wait, or when the estimated cost of all jobs, this one included, is over
// `cost_max` (a lone job is always admitted). A cancelled caller takes a waiting job out of the
// queue; a running one sees its CancelToken set and is awaited, so references that the work holds
// into the caller's frame stay good.
//
// The work must not throw except std::bad_alloc (becomes kOutOfMemory) and must look at its token
// about every millisecond. Thread rule: run() on io threads, the work on a pool thread.
#pragma once

#include "runtime/io_thread.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

namespace millrace {

class CancelToken {
 public:
  [[nodiscard]] bool cancelled() const noexcept { return flag_.load(std::memory_order_relaxed); }
  void cancel() noexcept { flag_.store(true, std::memory_order_relaxed); }

 private:
  std::atomic<bool> flag_ = false;
};

class Offload {
 public:
  struct Options {
    /// Pool threads; 0 becomes 1.
    unsigned threads = 1;
    /// Jobs waiting beyond one for each thread.
    std::size_t queue_max = 1024;
    /// Estimated bytes of memory of all admitted jobs together.
    std::uint64_t cost_max = std::uint64_t{1} << 30;
  };

  explicit Offload(Options options);
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;
  /// Waits for running work. All callers must have been cancelled or answered before.
  ~Offload();

  struct Stats {
    std::size_t queued = 0, running = 0;
    std::uint64_t completed = 0, refused = 0;
  };
  [[nodiscard]] Stats stats() const;
  [[nodiscard]] unsigned threads() const noexcept { return static_cast<unsigned>(threads_.size()); }

  template <class F>
  auto run(std::uint64_t cost, F work) {
    return Run<F>(*this, cost, std::move(work));
  }

 private:
  class Job : public Cancellable, public ReadyEntry, public QueueHook {
   public:
    Job(Offload& offload, std::uint64_t cost) noexcept : offload_(offload), cost_(cost) {}
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

   protected:
    ~Job() = default;
    virtual void execute() noexcept = 0;
    void cancel() noexcept final;

    friend Offload;
    Offload& offload_;
    const std::uint64_t cost_;
    IoThread* home_ = nullptr;
    Scope* scope_ = nullptr;
    CancelToken token_;
    Errc failure_ = Errc::kCount_;  // kCount_: none
  };

  template <class F>
  class Run;

  /// False: refused.
  bool submit(Job& job);
  /// True: it was still waiting and will not run.
  bool withdraw(Job& job);
  void worker();

  [[nodiscard]] bool fits(const Job& job) const noexcept;

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  boost::intrusive::list<Job, boost::intrusive::base_hook<QueueHook>,
                         boost::intrusive::constant_time_size<false>>
      queue_;
  Stats stats_;
  std::uint64_t cost_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

template <class F>
class Offload::Run final : public Job {
 public:
  using Value = std::invoke_result_t<F&, const CancelToken&>;

  Run(Offload& offload, std::uint64_t cost, F work) : Job(offload, cost), work_(std::move(work)) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    handle = h;
    home_ = &IoThread::current();
    scope_ = h.promise().scope;
    if (scope_ != nullptr && scope_->cancelled()) {
      failure_ = scope_->reason();
      return false;
    }
    if (scope_ != nullptr) scope_->enter(*this);
    if (offload_.submit(*this)) return true;
    if (scope_ != nullptr) scope_->leave();
    failure_ = Errc::kOffloadFull;
    return false;
  }
  [[nodiscard]] Result<Value> await_resume() {
    if (scope_ != nullptr && scope_->cancelled()) return fail(scope_->reason());
    if (failure_ != Errc::kCount_) return fail(failure_);
    return std::move(*value_);
  }

 private:
  void execute() noexcept override {
    try {
      value_.emplace(work_(std::as_const(token_)));
    } catch (const std::bad_alloc&) {
      failure_ = Errc::kOutOfMemory;
    }
  }
  F work_;
  std::optional<Value> value_;
};

}  // namespace millrace
