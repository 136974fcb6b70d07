#include "client/server_timing.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstring>

namespace millrace::client {
namespace {

char* put(char* to, std::string_view text) noexcept {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

/// In milliseconds, with two digits behind the point. Room: 32 bytes.
char* put_ms(char* to, Duration d) noexcept {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(d).count();
  to = std::to_chars(to, to + 20, us / 1000).ptr;
  const auto hundredths = static_cast<int>(us % 1000 / 10);
  *to++ = '.';
  *to++ = static_cast<char>('0' + hundredths / 10);
  *to++ = static_cast<char>('0' + hundredths % 10);
  return to;
}

}  // namespace

std::string_view server_timing(const Timings& timings, http::TextArena& arena) {
  constexpr auto kLast = static_cast<std::size_t>(Phase::kWait);
  std::array<char, (kLast + 1) * 64> text;
  char* to = text.data();
  for (std::size_t i = 0; i <= kLast; ++i) {
    const Duration took = timings.of(static_cast<Phase>(i));
    if (i != kLast && took == Duration::zero()) continue;
    if (to != text.data()) to = put(to, ", ");
    to = put_ms(put(put(to, kPhaseNames[i]), ";dur="), took);
  }
  return arena.copy({text.data(), static_cast<std::size_t>(to - text.data())});
}

}  // namespace millrace::client
