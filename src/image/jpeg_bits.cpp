#include "image/jpeg_bits.hpp"

#include "image/jpeg_markers.hpp"

#include <algorithm>

namespace millrace::image {

void EntropyReader::refill() noexcept {
  const std::size_t used = position_ / 8;
  std::size_t size = limit_ / 8 - used;
  std::memmove(window_.data(), window_.data() + used, size);
  position_ %= 8;
  while (size < kWindowBytes && next_ != end_) {
    const std::size_t span = std::min(kWindowBytes - size, static_cast<std::size_t>(end_ - next_));
    const void* found = std::memchr(next_, 0xFF, span);
    const std::size_t plain =
        found != nullptr ? static_cast<std::size_t>(static_cast<const std::byte*>(found) - next_)
                         : span;
    std::memcpy(window_.data() + size, next_, plain);
    size += plain;
    next_ += plain;
    if (found == nullptr) continue;
    // Anything but a stuffed zero is a restart marker, or rubbish for restart() to refuse.
    if (end_ - next_ < 2 || next_[1] != std::byte{0}) {
      segment_done_ = true;
      break;
    }
    window_[size++] = std::byte{0xFF};
    next_ += 2;
  }
  if (next_ == end_) segment_done_ = true;
  limit_ = size * 8;
  std::memset(window_.data() + size, 0, kReserveBytes);
}

bool EntropyReader::only_padding_left() noexcept {
  fill();
  return segment_done_ && position_ <= limit_ && limit_ - position_ < 8;
}

bool EntropyReader::restart(unsigned number) noexcept {
  if (!only_padding_left() || end_ - next_ < 2) return false;
  if (next_[1] != std::byte(marker::kRst0 + number)) return false;
  next_ += 2;
  position_ = 0;
  limit_ = 0;
  segment_done_ = false;
  return true;
}

bool EntropyReader::finished() noexcept {
  return only_padding_left() && next_ == end_;
}

void BitString::append(const BitString& other) noexcept {
  constexpr std::size_t kStep = 7;
  std::size_t at = 0;
  for (; at + kStep <= other.size_; at += kStep) {
    put(load_big<std::uint64_t>(other.block_.get() + at) >> 8, 8 * kStep);
  }
  for (; at < other.size_; ++at) put(std::to_integer<std::uint64_t>(other.block_[at]), 8);
  if (other.pending_bits_ != 0) {
    put(other.pending_ >> (64 - other.pending_bits_), other.pending_bits_);
  }
}

bool append_stuffed(Bytes bytes, ImageBytes& out) noexcept {
  if (!out.make_room(2 * bytes.size())) return false;
  std::byte* to = out.data() + out.size();
  const std::byte* const begin = to;
  while (!bytes.empty()) {
    const void* found = std::memchr(bytes.data(), 0xFF, bytes.size());
    const std::size_t length =
        found != nullptr
            ? static_cast<std::size_t>(static_cast<const std::byte*>(found) - bytes.data()) + 1
            : bytes.size();
    std::memcpy(to, bytes.data(), length);
    to += length;
    if (found != nullptr) *to++ = std::byte{0};
    bytes = bytes.subspan(length);
  }
  out.commit(static_cast<std::size_t>(to - begin));
  return true;
}

}  // namespace millrace::image
