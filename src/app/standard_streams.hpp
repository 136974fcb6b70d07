// Standard input and output from coroutines. They may be anything, and may block, and are shared
// with other processes, so that they must not be made non-blocking: a thread of the pool does the
// waiting, and looks for its cancellation meanwhile.
//
// Ownership: refers to the pool, which needs a thread for each. Thread rule: one io thread.
#pragma once

#include "millrace/exchange.hpp"
#include "runtime/offload.hpp"

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

class StandardOutput {
 public:
  explicit StandardOutput(Offload& pool) noexcept : pool_(pool) {}
  /// All of it. Errors: kClientGone where nobody reads any more, kIo, the scope's.
  [[nodiscard]] Task<Result<void>> write(Bytes bytes);

 private:
  Offload& pool_;
};

}  // namespace millrace::app
