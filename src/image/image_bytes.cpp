#include "image/image_bytes.hpp"

#include <algorithm>
#include <limits>

namespace millrace::image {

bool ImageBytes::make_room(std::size_t more) noexcept {
  constexpr std::size_t kLeastBytes = 4096;
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max() / 2;
  if (more <= capacity_ - size_) return true;
  if (more > kMost - size_) return false;
  const std::size_t wanted = std::max({size_ + more, capacity_ + capacity_ / 2, kLeastBytes});
  auto* grown = static_cast<std::byte*>(std::realloc(block_.get(), wanted));
  if (grown == nullptr) return false;
  static_cast<void>(block_.release());
  block_.reset(grown);
  capacity_ = wanted;
  return true;
}

}  // namespace millrace::image
