// Cuts an input into pieces, differently for each input and always alike for the same: the bytes of
// a corpus file are the bytes on the wire, without a header that says how to send them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::fuzz {

/// A heap block of exactly this size, so that AddressSanitizer sees the first byte read beyond it.
class Exact {
 public:
  explicit Exact(std::string_view text) : bytes_(text.begin(), text.end()) {
    bytes_.shrink_to_fit();
  }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), bytes_.size()}; }

 private:
  std::vector<char> bytes_;
};

/// FNV-1a, then a linear congruential generator.
class Dice {
 public:
  explicit Dice(std::string_view seed) noexcept {
    for (const char c : seed) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  /// Below `limit`, which is not 0.
  [[nodiscard]] std::size_t below(std::size_t limit) noexcept {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::size_t>(state_ >> 33) % limit;
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

/// `pieces_max` at most; small inputs now and then byte by byte.
[[nodiscard]] inline std::vector<std::string_view> cut(std::string_view data,
                                                       std::size_t pieces_max) {
  constexpr std::size_t kBytewiseMax = 64;
  Dice dice(data);
  std::vector<std::string_view> pieces;
  const bool bytewise = data.size() <= kBytewiseMax && dice.below(4) == 0;
  while (!data.empty()) {
    const bool last = !bytewise && pieces.size() + 1 >= pieces_max;
    const std::size_t size = bytewise ? 1 : last ? data.size() : 1 + dice.below(data.size());
    pieces.push_back(data.substr(0, size));
    data.remove_prefix(size);
  }
  return pieces;
}

}  // namespace millrace::fuzz
