// A file without a name that holds what is too much for memory.
//
// Reads and writes are made on the CPU pool, so that a slow disk stops one exchange and not its
// thread. The file is gone when its owner is, or the process.
//
// Ownership: owns the descriptor; the pool outlives it. Thread rule: one io thread; one operation
// at a time.
#pragma once

#include "base/error.hpp"
#include "runtime/offload.hpp"

#include <cstdint>
#include <filesystem>
#include <span>

namespace millrace::proxy {

class SpillFile {
 public:
  explicit SpillFile(Offload& pool) noexcept : pool_(pool) {}
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;
  ~SpillFile();

  /// Writes `bytes` behind what is there; the first call makes the file, in `folder`. After an
  /// error (kIo, kOffloadFull, the scope's) it is as long as before.
  [[nodiscard]] Task<Result<void>> append(const std::filesystem::path& folder,
                                          std::span<const char> bytes);
  /// Fills the front of `room` from `offset`; how much. Errors: kIo, kOffloadFull, the scope's.
  [[nodiscard]] Task<Result<std::size_t>> read(std::uint64_t offset, std::span<char> room);

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  Offload& pool_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace millrace::proxy
