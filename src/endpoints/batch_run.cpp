#include "endpoints/batch_run.hpp"

#include <utility>

namespace millrace::endpoints {

Task<Result<void>> BatchRun::run() {
  group_.spawn(feed());
  const Result<void> drained = co_await drain();
  group_.cancel();
  co_await group_.join();
  if (!drained) co_return drained;
  co_return outcome_;
}

Task<Result<void>> BatchRun::drain() {
  for (;;) {
    Result<std::optional<ResultPtr>> result = co_await results_.receive();
    if (!result) co_return fail(result.error());
    if (!*result) co_return Result<void>{};
    if (const auto taken = co_await sink_.take(std::move(**result)); !taken) co_return taken;
  }
}

Task<void> BatchRun::feed() {
  for (;;) {
    Result<ItemPtr> item = co_await source_.next();
    if (!item) {
      outcome_ = fail(item.error());
      results_.close();
      co_return;
    }
    if (*item == nullptr) break;
    if (++busy_ > workers_ && workers_ < parallel_) {
      ++workers_;
      group_.spawn(work_off());
    }
    if (const auto sent = co_await items_.send(std::move(*item)); !sent) co_return;
  }
  fed_ = true;
  items_.close();
  close_when_done();
}

Task<void> BatchRun::work_off() {
  for (;;) {
    Result<std::optional<ItemPtr>> item = co_await items_.receive();
    if (!item || !*item) break;
    ResultPtr result = co_await work_.run(std::move(**item));
    if (const auto sent = co_await results_.send(std::move(result)); !sent) break;
    --busy_;
  }
  --workers_;
  close_when_done();
}

void BatchRun::close_when_done() noexcept {
  if (fed_ && workers_ == 0) results_.close();
}

}  // namespace millrace::endpoints
