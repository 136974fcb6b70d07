// TaskGroup: children that are awaited or cancelled, never leaked. select: the first of several.
//
// A group lives in the frame (or object) that owns its children. `join` waits for all of them; when
// the joining coroutine is cancelled, the children are cancelled too and still awaited, so a join
// never returns before its children are gone. Destroying a group with live children is a bug
// (asserted).
//
// A child starts in its turn of the ready queue, not inside spawn. Cost: one pooled block per child
// beside its frame. Thread rule: one thread.
#pragma once

#include "runtime/wait_queue.hpp"

#include <cassert>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include <boost/intrusive/list.hpp>

namespace millrace {

class TaskGroup {
 public:
  TaskGroup() = default;
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup() { assert(children_.empty() && "a TaskGroup must be joined before it ends"); }

  /// Starts `task` as a child. An exception that escapes it ends the process: children report by
  /// value.
  void spawn(Task<void> task);
  /// Cancels every child, now and those spawned later.
  void cancel(Errc reason = Errc::kCancelled) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  class Join;
  /// Until no child is left.
  [[nodiscard]] Join join() noexcept;
  /// Until one more child has ended since the last `next`.
  [[nodiscard]] Join next() noexcept;

 private:
  struct Child;
  using ChildHook = boost::intrusive::list_base_hook<>;

  [[nodiscard]] bool satisfied(bool for_all) const noexcept {
    return size_ == 0 || (!for_all && ended_ > 0);
  }
  void child_done(Child& child) noexcept;

  struct Child final : detail::Completion, ReadyEntry, ChildHook {
    Child(TaskGroup& g, Task<void> t) noexcept : group(g), task(std::move(t)) {}
    void task_done() noexcept override { group.child_done(*this); }
    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept {
      frame_pool::deallocate(p, size);
    }
    TaskGroup& group;
    Task<void> task;
    Scope scope;
  };

  friend Join;
  boost::intrusive::list<Child, boost::intrusive::constant_time_size<false>> children_;
  std::size_t size_ = 0;
  std::size_t ended_ = 0;
  Join* join_ = nullptr;
  bool cancelled_ = false;
  Errc reason_ = Errc::kCancelled;
};

/// The awaiter of join and next. Not a Waiter: being cancelled cancels the children, it does not
/// end the wait. One at a time per group.
class TaskGroup::Join final : public Cancellable {
 public:
  Join(TaskGroup& group, bool for_all) noexcept : group_(group), for_all_(for_all) {}
  bool await_ready() const noexcept { return group_.satisfied(for_all_); }
  template <class P>
  void await_suspend(std::coroutine_handle<P> h) noexcept {
    assert(group_.join_ == nullptr && "one joiner at a time");
    handle_ = h;
    scope_ = h.promise().scope;
    group_.join_ = this;
    if (scope_ == nullptr) return;
    if (scope_->cancelled())
      group_.cancel(scope_->reason());
    else
      scope_->enter(*this);
  }
  void await_resume() const noexcept { group_.ended_ = 0; }
  void cancel() noexcept override { group_.cancel(scope_->reason()); }

 private:
  friend TaskGroup;
  TaskGroup& group_;
  const bool for_all_;
  std::coroutine_handle<> handle_{};
  Scope* scope_ = nullptr;
};

inline TaskGroup::Join TaskGroup::join() noexcept {
  return {*this, true};
}
inline TaskGroup::Join TaskGroup::next() noexcept {
  return {*this, false};
}

/// group.join() as a task of its own, to run it in another scope.
inline Task<void> join(TaskGroup& group) {
  co_await group.join();
}

namespace detail {
template <class T>
Task<void> select_arm(Task<T> task, std::optional<T>& slot, std::size_t& winner,
                      std::size_t index) {
  if (winner != SIZE_MAX) co_return;  // over before this arm began
  T value = co_await std::move(task);
  if (winner != SIZE_MAX) co_return;
  winner = index;
  slot.emplace(std::move(value));
}

template <class... Ts, std::size_t... I>
std::variant<Ts...> select_result(std::tuple<std::optional<Ts>...>& slots, std::size_t winner,
                                  std::index_sequence<I...>) {
  std::optional<std::variant<Ts...>> out;
  (void)((winner == I ? (out.emplace(std::in_place_index<I>, std::move(*std::get<I>(slots))), true)
                      : false) ||
         ...);
  return std::move(*out);
}
}  // namespace detail

/// Runs the tasks side by side; the first to finish gives the result (its index says which). The
/// others are cancelled and awaited. When the caller is cancelled all are, and the first to end is
/// the result. What a loser returns is dropped; a loser that waits in Channel::receive has taken
/// nothing.
template <class... Ts>
Task<std::variant<Ts...>> select(Task<Ts>... tasks) {
  static_assert(sizeof...(Ts) > 0);
  std::tuple<std::optional<Ts>...> slots;
  std::size_t winner = SIZE_MAX;
  TaskGroup group;
  std::size_t index = 0;
  std::apply(
      [&](auto&... slot) {
        (group.spawn(detail::select_arm(std::move(tasks), slot, winner, index++)), ...);
      },
      slots);
  co_await group.next();
  group.cancel();
  co_await group.join();
  co_return detail::select_result<Ts...>(slots, winner, std::index_sequence_for<Ts...>{});
}

}  // namespace millrace
