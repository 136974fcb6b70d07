#include "app/reloader.hpp"

namespace millrace::app {

Task<ReloadOutcome> Reloader::reload() {
  request();
  const std::uint64_t ticket = wanted_;
  while (done_ < ticket)
    if (!co_await finished_.wait()) co_return ReloadOutcome{.kind = ReloadOutcome::Kind::kRefused};
  co_return outcome_;
}

Task<void> Reloader::run() {
  const Scope* const scope = co_await this_scope();
  while (!scope->cancelled()) {
    if (wanted_ == done_) {
      wake_.reset();
      if (!co_await wake_.wait()) co_return;
      continue;
    }
    const std::uint64_t asked = wanted_;
    outcome_ = co_await work_();
    done_ = asked;
    finished_.set();
    finished_.reset();
    co_await yield_now();  // who waited sees this one's outcome, not the next one's
  }
}

}  // namespace millrace::app
