// Many fetches side by side, results as they come:
//
//   source --> items --> up to `parallel` workers --> results --> sink
//
// A sink that does not take stops the workers, and they the source. Workers are started as items
// come. What the source, the work and the sink do is the caller's.
//
// Ownership: refers to the three, which outlive it. Thread rule: one io thread.
#pragma once

#include "endpoints/batch_item.hpp"
#include "runtime/channel.hpp"
#include "runtime/task_group.hpp"

#include <memory>

namespace millrace::endpoints {

using ItemPtr = std::unique_ptr<BatchItem>;
using ResultPtr = std::unique_ptr<BatchResult>;

class BatchSource {
 public:
  /// The next item; null: that was the last. An error ends the batch: what runs is cancelled.
  [[nodiscard]] virtual Task<Result<ItemPtr>> next() = 0;

 protected:
  ~BatchSource() = default;
};

class BatchWork {
 public:
  /// What becomes of `item`. Several at once.
  [[nodiscard]] virtual Task<ResultPtr> run(ItemPtr item) = 0;

 protected:
  ~BatchWork() = default;
};

class BatchSink {
 public:
  /// An error ends the batch.
  [[nodiscard]] virtual Task<Result<void>> take(ResultPtr result) = 0;

 protected:
  ~BatchSink() = default;
};

class BatchRun {
 public:
  BatchRun(BatchSource& source, BatchWork& work, BatchSink& sink, unsigned parallel)
      : source_(source), work_(work), sink_(sink), parallel_(parallel), results_(parallel) {}
  BatchRun(const BatchRun&) = delete;
  BatchRun& operator=(const BatchRun&) = delete;

  /// Returns when every item has become a result and was taken, or at the first error of source or
  /// sink; nothing runs any more then. Cancelled: the scope's reason.
  [[nodiscard]] Task<Result<void>> run();

 private:
  Task<void> feed();
  Task<void> work_off();
  Task<Result<void>> drain();
  void close_when_done() noexcept;

  BatchSource& source_;
  BatchWork& work_;
  BatchSink& sink_;
  const unsigned parallel_;
  Channel<ItemPtr> items_{0};
  Channel<ResultPtr> results_;
  TaskGroup group_;
  unsigned workers_ = 0;
  unsigned busy_ = 0;  // items that wait for a worker or are with one
  bool fed_ = false;
  Result<void> outcome_;
};

}  // namespace millrace::endpoints
