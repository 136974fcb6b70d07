// Runs a task to its end although the exchange's client has gone. Whatever else cancels the outer
// scope, also after that, ends it as ever.
//
// Thread rule: one io thread.
#pragma once

#include "runtime/scope.hpp"
#include "runtime/task.hpp"

#include <utility>

namespace millrace::proxy {

template <class T>
class OutliveClient final : public Cancellable {
 public:
  OutliveClient(Scope& inner, Task<T> task) noexcept : inner_(inner), task_(std::move(task)) {}
  OutliveClient(const OutliveClient&) = delete;
  OutliveClient& operator=(const OutliveClient&) = delete;

  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> parent) noexcept {
    outer_ = parent.promise().scope;
    if (outer_->cancelled())
      cancel();
    else
      outer_->enter(*this);
    auto& promise = task_.handle().promise();
    promise.continuation = parent;
    promise.scope = &inner_;
    detail::t_next = task_.handle();
  }
  T await_resume() {
    outer_->leave();
    return task_.take();
  }
  /// Stays the scope's leaf, to be told of what comes after the client's end.
  void cancel() noexcept override {
    if (outer_->reason() != Errc::kClientGone) return inner_.cancel(outer_->reason());
    outer_->enter(*this);
  }

 private:
  Scope& inner_;
  Task<T> task_;
  Scope* outer_ = nullptr;
};

/// `co_await outlive_client(inner, task)`, in a coroutine that runs in the exchange's scope.
template <class T>
[[nodiscard]] OutliveClient<T> outlive_client(Scope& inner, Task<T> task) noexcept {
  return OutliveClient<T>(inner, std::move(task));
}

}  // namespace millrace::proxy
