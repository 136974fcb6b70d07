// Standard input and output from coroutines. They may be anything, and may block, and are shared
// with other processes, so that they must not be made non-blocking: a thread of the pool does the
// waiting, and looks for its cancellation meanwhile.
//
// Ownership: refers to the pool, which needs a thread for each. Thread rule: one io thread.
#pragma once

#include "millrace/exchange.hpp"
#include "runtime/offload.hpp"
#include "runtime/task_group.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace millrace::app {

class StandardInput {
 public:
  explicit StandardInput(Offload& pool) noexcept : pool_(pool) {}
  /// The next line without its end, cut at `bytes_max`; nullopt: there are no more. Errors: kIo,
  /// the scope's.
  [[nodiscard]] Task<Result<std::optional<std::string>>> line(std::size_t bytes_max);

 private:
  [[nodiscard]] Task<Result<bool>> fill();

  Offload& pool_;
  std::string read_;
  std::size_t used_ = 0;
  bool ended_ = false;
};

/// What is written is gathered for a moment, so that a thread is woken for many lines and not for
/// each. To a terminal it goes at once.
class StandardOutput {
 public:
  /// Held at most while the other side does not read; over that write() waits.
  static constexpr std::size_t kHeldBytesMax = 256 * 1024;
  static constexpr auto kGatherTime = std::chrono::milliseconds(2);

  explicit StandardOutput(Offload& pool);
  /// Takes all of it. Errors, also those of earlier writes: kClientGone where nobody reads any
  /// more, kIo; the scope's.
  [[nodiscard]] Task<Result<void>> write(Bytes bytes);
  /// Until everything is written. Must be awaited before it dies. Errors: as write().
  [[nodiscard]] Task<Result<void>> finish();

 private:
  [[nodiscard]] Task<void> pump();

  Offload& pool_;
  const bool terminal_;
  std::string held_;
  std::string writing_;
  Event room_;
  TaskGroup pumps_;
  Result<void> outcome_;
};

}  // namespace millrace::app
