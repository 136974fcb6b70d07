// Bits in and out of entropy-coded JPEG data (T.81 B.1.1.5: a zero byte follows each 0xFF of the
// data).
#pragma once

#include "image/byte_order.hpp"
#include "image/image_bytes.hpp"

#include <array>
#include <cstdint>
#include <memory>

namespace millrace::image {

/// A block of a sequential scan is at most 64 codes of 16 bits with 11 extra bits each.
inline constexpr std::size_t kBlockBytesMax = 64 * 27 / 8;
inline constexpr std::size_t kMcuBlocksMax = 10;

/// Reads one scan through a window from which the stuffing is removed.
///
/// Between fill() calls up to one MCU may be read without checks: behind the data lie zeros, and
/// overrun() tells afterwards.
class EntropyReader {
 public:
  explicit EntropyReader(Bytes scan) noexcept
      : next_(scan.data()), end_(scan.data() + scan.size()) {}

  /// Makes sure that a whole MCU lies in the window unless the data ends before. Invalidates
  /// positions.
  void fill() noexcept {
    if (position_ + 8 * kReserveBytes > limit_ && !segment_done_) refill();
  }

  /// In bits, from the window's start.
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  void seek(std::size_t position) noexcept { position_ = position; }
  /// The bits at `position`, from the top; at least 57 of them are good.
  [[nodiscard]] std::uint64_t peek(std::size_t position) const noexcept {
    return load_big<std::uint64_t>(window_.data() + position / 8) << (position % 8);
  }
  [[nodiscard]] bool overrun() const noexcept { return position_ > limit_; }

  /// Passes restart marker `number` (0 to 7); false when the data before it is not used up but for
  /// the padding, or it is not there.
  [[nodiscard]] bool restart(unsigned number) noexcept;
  /// Everything is used up but for the padding.
  [[nodiscard]] bool finished() noexcept;

 private:
  static constexpr std::size_t kReserveBytes = kMcuBlocksMax * kBlockBytesMax + 16;
  static constexpr std::size_t kWindowBytes = 32 * 1024;

  void refill() noexcept;
  [[nodiscard]] bool only_padding_left() noexcept;

  const std::byte* next_;
  const std::byte* end_;
  std::size_t position_ = 0;
  std::size_t limit_ = 0;      ///< bits in the window
  bool segment_done_ = false;  ///< the window ends at a restart marker or at the scan's end
  std::array<std::byte, kWindowBytes + kReserveBytes> window_{};
};

/// Appends bits to a block whose size was worked out beforehand; a partial byte is kept apart.
/// Writes up to 8 bytes behind the last whole one.
class BitString {
 public:
  explicit BitString(std::size_t bytes_max)
      : block_(std::make_unique_for_overwrite<std::byte[]>(bytes_max + kSlackBytes)) {}

  /// The low `count` bits of `bits`, at most 56; the rest of `bits` must be zero.
  void put(std::uint64_t bits, unsigned count) noexcept {
    if (count == 0) return;
    pending_ |= bits << (64 - count) >> pending_bits_;
    pending_bits_ += count;
    store();
    const unsigned whole = pending_bits_ & ~7u;
    size_ += whole / 8;
    pending_ <<= whole;
    pending_bits_ -= whole;
  }
  void append(const BitString& other) noexcept;

  /// The whole bytes, without stuffing.
  [[nodiscard]] Bytes whole() const noexcept { return {block_.get(), size_}; }
  /// Forgets the whole bytes, keeps the bits behind them.
  void drop_whole() noexcept { size_ = 0; }
  /// Fills the last byte with ones.
  void pad() noexcept {
    if (pending_bits_ != 0) put((1u << (8 - pending_bits_)) - 1, 8 - pending_bits_);
  }
  void clear() noexcept {
    size_ = 0;
    pending_ = 0;
    pending_bits_ = 0;
  }

 private:
  static constexpr std::size_t kSlackBytes = 16;

  void store() noexcept {
    const std::uint64_t big =
        std::endian::native == std::endian::little ? std::byteswap(pending_) : pending_;
    std::memcpy(block_.get() + size_, &big, sizeof big);
  }

  std::unique_ptr<std::byte[]> block_;
  std::size_t size_ = 0;
  std::uint64_t pending_ = 0;  ///< from the top
  unsigned pending_bits_ = 0;  ///< at most 7 between calls
};

/// Appends `bytes` with a zero behind each 0xFF. False: out of memory.
[[nodiscard]] bool append_stuffed(Bytes bytes, ImageBytes& out) noexcept;

}  // namespace millrace::image
