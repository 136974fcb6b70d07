// How many requests an upstream (or one target) works on at once, and who is next.
//
// While there is room a request costs one atomic addition when it begins and one when it ends, and
// nothing is locked or allocated. When there is none it waits in one queue for all io threads,
// first come, first served (newest first under overload, overload.hpp), and nobody gets in before
// those who wait. Whoever leaves the queue (cancelled, out of time) leaves it at once.
//
// How: `word_` counts those that are in, and those that are just trying; its top bit says that
// somebody waits, which makes every try fail. A try that failed takes its count back before it
// takes the lock, and whatever lowers the count while the bit is set looks after those who wait.
//
// Ownership: outlives its permits and waiters. Thread rule: any io thread; a waiter is woken on its
// own, by a post where it was another thread's permit.
#pragma once

#include "proxy/overload.hpp"
#include "runtime/io_thread.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include <boost/intrusive/list.hpp>

namespace millrace::proxy {

class Admission {
 public:
  struct Options {
    std::uint32_t limit = 1024;
    /// Requests that wait; more are kQueueFull.
    std::size_t waiting_max = 1024;
    Overload::Options overload;
    friend bool operator==(const Options&, const Options&) = default;
  };

  explicit Admission(const Options& options) noexcept
      : waiting_max_(options.waiting_max), limit_(options.limit), overload_(options.overload) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  ~Admission() = default;

  /// Gives its place back when it dies.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept : admission_(std::exchange(other.admission_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept {
      std::swap(admission_, other.admission_);
      return *this;
    }
    ~Permit() {
      if (admission_ != nullptr) admission_->leave();
    }
    [[nodiscard]] explicit operator bool() const noexcept { return admission_ != nullptr; }

   private:
    friend Admission;
    explicit Permit(Admission& a) noexcept : admission_(&a) {}
    Admission* admission_ = nullptr;
  };

  /// Without waiting; an empty permit: there is no room, or others wait.
  [[nodiscard]] Permit try_enter() noexcept {
    if (word_.fetch_add(1) < limit_.load(std::memory_order_relaxed)) return Permit(*this);
    leave();
    return {};
  }
  struct Wait {
    /// It was in before, and has waited for something else meanwhile: it comes before those who
    /// have not been in, even where the queue is full.
    bool again = false;
    /// kQueueTimeout, if that is sooner than what the options say.
    TimePoint until = TimePoint::max();
  };
  /// Waits for its turn. Errors: kQueueFull, kQueueTimeout, the scope's.
  [[nodiscard]] Task<Result<Permit>> enter(Wait wait);
  [[nodiscard]] Task<Result<Permit>> enter() { return enter({}); }
  /// The next one to come would be told kQueueFull.
  [[nodiscard]] bool is_full() noexcept;

  /// From now on `options`, but for the limit.
  void configure(const Options& options) noexcept;
  /// From now on so many at once; those that are in stay. 0: everybody waits, as while no target is
  /// there yet; that is no overload.
  void set_limit(std::uint32_t limit) noexcept;
  /// The limit is 0.
  [[nodiscard]] bool is_closed() const noexcept {
    return limit_.load(std::memory_order_relaxed) == 0;
  }

  struct Status {
    std::uint64_t limit = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t waiting = 0;
    Duration oldest{};  ///< how long the one has waited that has waited longest
    bool overloaded = false;
    std::uint64_t queued = 0;     ///< had to wait, ever
    std::uint64_t refused = 0;    ///< of kQueueFull
    std::uint64_t timed_out = 0;  ///< of kQueueTimeout
  };
  [[nodiscard]] Status status() noexcept;

 private:
  enum class Entry : std::uint8_t { kEntered, kWaits, kFull };

  /// One that waits. Cancelling takes it out of the queue; once it has a place, it is woken by
  /// whoever gave it that, and gives the place back.
  class Turn final : public Cancellable, public ReadyEntry, public QueueHook {
   public:
    Turn(Admission& admission, bool again) noexcept : admission_(admission), again_(again) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) noexcept {
      handle = h;
      scope_ = h.promise().scope;
      if (scope_->cancelled()) return false;
      scope_->enter(*this);
      const Entry entry = admission_.queue_up(*this);
      if (entry == Entry::kWaits) return true;
      scope_->leave();
      full_ = entry == Entry::kFull;
      return false;
    }
    [[nodiscard]] Result<Permit> await_resume() noexcept {
      Permit permit = entered_ ? Permit(admission_) : Permit();
      if (scope_->cancelled()) return fail(scope_->reason());
      if (full_) return fail(Errc::kQueueFull);
      return permit;
    }
    void cancel() noexcept override {
      if (admission_.withdraw(*this)) ReadyQueue::current().push(*this);
    }

   private:
    friend Admission;
    /// On its own thread.
    void resume() noexcept {
      scope_->leave();
      ReadyQueue::current().push(*this);
    }

    Admission& admission_;
    IoThread& home_ = IoThread::current();
    const TimePoint since_ = Clock::now();
    Scope* scope_ = nullptr;
    const bool again_;
    bool entered_ = false;  // written with the lock held
    bool full_ = false;
  };
  using Queue = boost::intrusive::list<Turn, boost::intrusive::base_hook<QueueHook>,
                                       boost::intrusive::constant_time_size<false>>;
  static constexpr std::uint64_t kWaiters = std::uint64_t{1} << 63;

  void leave() noexcept {
    if ((word_.fetch_sub(1) & kWaiters) != 0) look_after_waiters();
  }
  void look_after_waiters() noexcept;
  [[nodiscard]] Task<Result<Permit>> take_turn(bool again);
  [[nodiscard]] Entry queue_up(Turn& turn) noexcept;
  /// True: it was still waiting.
  [[nodiscard]] bool withdraw(Turn& turn) noexcept;
  [[nodiscard]] Duration patience() noexcept;

  // With the lock held.
  [[nodiscard]] Turn& next(TimePoint now) noexcept;
  void grant(TimePoint now, Queue& granted) noexcept;
  void note_emptied() noexcept;
  static void wake(Queue& granted) noexcept;

  std::size_t waiting_max_;
  alignas(64) std::atomic<std::uint64_t> word_ = 0;  // all threads write here
  alignas(64) std::atomic<std::uint64_t> limit_;
  std::mutex mutex_;
  Queue queue_;  // in the order of arrival
  std::size_t waiting_ = 0;
  Overload overload_;
  std::uint64_t queued_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t timed_out_ = 0;
};

}  // namespace millrace::proxy
