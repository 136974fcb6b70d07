#include "runtime/task_group.hpp"

namespace millrace {

void TaskGroup::spawn(Task<void> task) {
  if (task.ended()) return;
  auto* child = new Child(*this, std::move(task));
  auto& promise = child->task.handle().promise();
  promise.completion = child;
  promise.scope = &child->scope;
  if (cancelled_) child->scope.cancel(reason_);
  child->handle = child->task.handle();
  children_.push_back(*child);
  ++size_;
  ReadyQueue::current().push(*child);
}

void TaskGroup::cancel(Errc reason) noexcept {
  if (cancelled_) return;
  cancelled_ = true;
  reason_ = reason;
  // A cancelled leaf is only queued here, never resumed, so the list does not change under the
  // loop.
  for (Child& child : children_) child.scope.cancel(reason);
}

void TaskGroup::child_done(Child& child) noexcept {
  if (child.task.handle().promise().exception) std::terminate();
  children_.erase(children_.iterator_to(child));
  --size_;
  ++ended_;
  delete &child;
  if (join_ == nullptr || !satisfied(join_->for_all_)) return;
  Join* join = std::exchange(join_, nullptr);
  if (join->scope_ != nullptr) join->scope_->leave();
  // The joiner goes on at once: through the ready queue, somebody could spawn another child before
  // it.
  detail::t_next = join->handle_;
}

}  // namespace millrace
