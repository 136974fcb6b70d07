#include "app/on_threads.hpp"

#include "runtime/wait_queue.hpp"

#include <memory>
#include <utility>

namespace millrace::app {
namespace {

using Outcome = std::expected<void, std::string>;

/// Shared by the threads, which may be done when nobody waits any more.
struct Gathering {
  Event complete;
  Outcome outcome;
  std::size_t missing = 0;
};

Task<void> visit(std::shared_ptr<const ThreadWork> work, std::size_t thread, IoThread& control,
                 std::shared_ptr<Gathering> gathering) {
  Outcome outcome = co_await (*work)(thread);
  control.post([gathering, outcome = std::move(outcome)]() mutable {
    if (gathering->outcome) gathering->outcome = std::move(outcome);
    if (--gathering->missing == 0) gathering->complete.set();
  });
}

Task<Result<void>> wait_for(Event& event) {
  co_return co_await event.wait();
}

}  // namespace

Task<std::expected<void, std::string>> on_threads(IoThreads& threads, IoThread& control,
                                                  ThreadWork work, Duration patience) {
  const auto shared = std::make_shared<const ThreadWork>(std::move(work));
  const auto gathering = std::make_shared<Gathering>();
  gathering->missing = threads.size();
  for (std::size_t i = 0; i < threads.size(); ++i) {
    IoThread& io = threads[i];
    io.post([&io, &control, shared, gathering, i] {
      io.tasks().spawn(visit(shared, i, control, gathering));
    });
  }
  DeadlineScope limit(Errc::kDeadline, patience);
  (void)co_await in_scope(limit.scope(), wait_for(gathering->complete));
  if (gathering->outcome && gathering->missing != 0)
    co_return std::unexpected(std::to_string(gathering->missing) +
                              " io threads were too busy to answer");
  co_return gathering->outcome;
}

}  // namespace millrace::app
