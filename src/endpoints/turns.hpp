// How much an endpoint does before the other connections of its thread get their turn, when neither
// the client nor the kernel ever makes it wait.
#pragma once

#include <cstdint>

namespace millrace::endpoints {

/// About 100 us of copying.
inline constexpr std::uint64_t kBytesPerTurn = 1024 * 1024;

}  // namespace millrace::endpoints
