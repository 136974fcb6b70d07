// Limits of a batch of fetches, under `[fetch] batch` where they can be set.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace millrace::endpoints {

struct BatchLimits {
  /// fetch.batch.body_max: a JSON batch, or one line of an NDJSON one.
  std::uint64_t body_bytes_max = std::uint64_t{4} << 20;
  /// fetch.batch.items_max
  std::uint64_t items_max = 10'000;
  /// fetch.batch.item_max: of one answer's body, or of what was selected from it.
  std::uint64_t item_bytes_max = std::uint64_t{16} << 20;
  /// fetch.batch.held_max: of all answers that wait to be written, and requests that wait for their
  /// turn. One item may go beyond.
  std::uint64_t held_bytes_max = std::uint64_t{32} << 20;
  /// Of an item that names no timeout, where fetch.timeout.total is none. nullopt: none.
  std::optional<std::chrono::milliseconds> item_timeout{std::chrono::minutes(1)};
  /// That an item may name.
  std::chrono::milliseconds item_timeout_max = std::chrono::hours(1);
};

inline constexpr unsigned kBatchParallelDefault = 16;
/// A descriptor each; an origin that wants more has asked for it.
inline constexpr unsigned kBatchParallelMax = 256;

}  // namespace millrace::endpoints
