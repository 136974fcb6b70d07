// Bytes that one io thread may hold of something, all its exchanges together.
//
// Thread rule: one io thread.
#pragma once

#include <cstdint>

namespace millrace::proxy {

class ByteAllowance {
 public:
  explicit ByteAllowance(std::uint64_t bytes_max) noexcept : left_(bytes_max) {}
  ByteAllowance(const ByteAllowance&) = delete;
  ByteAllowance& operator=(const ByteAllowance&) = delete;

  /// False: it would be more than allowed, and nothing is booked.
  [[nodiscard]] bool take(std::uint64_t bytes) noexcept {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void give_back(std::uint64_t bytes) noexcept { left_ += bytes; }
  [[nodiscard]] std::uint64_t left() const noexcept { return left_; }

 private:
  std::uint64_t left_;
};

}  // namespace millrace::proxy
