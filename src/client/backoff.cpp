#include "client/backoff.hpp"

#include "http/ascii.hpp"
#include "http/date.hpp"

#include <algorithm>
#include <random>

namespace millrace::client {

std::uint64_t thread_random() {
  static thread_local std::mt19937_64 engine = [] {
    std::random_device device;
    return std::mt19937_64(static_cast<std::uint64_t>(device()) << 32 | device());
  }();
  return engine();
}

Duration Backoff::bound(unsigned retry) const noexcept {
  if (base <= Duration::zero()) return Duration::zero();
  Duration bound = base;
  for (unsigned i = 0; i < retry && bound < max; ++i) bound = bound > max / 2 ? max : bound * 2;
  return std::min(bound, max);
}

Duration Backoff::wait(unsigned retry, std::uint64_t random) const noexcept {
  const auto range = static_cast<std::uint64_t>(std::max(bound(retry).count(), Duration::rep{0}));
  return Duration(static_cast<Duration::rep>(random % (range + 1)));
}

std::optional<Duration> retry_after(std::string_view value, std::chrono::sys_seconds now) noexcept {
  using std::chrono::seconds;
  static constexpr auto kMax = std::chrono::duration_cast<seconds>(kRetryAfterMax);
  const auto capped = [](seconds s) { return Duration(std::clamp(s, seconds(0), kMax)); };
  value = http::trim_ows(value);
  if (!value.empty() && http::all_are(value, http::kDigit)) {
    const auto count = http::parse_decimal(value);
    if (!count || *count >= static_cast<std::uint64_t>(kMax.count())) return kRetryAfterMax;
    return capped(seconds(*count));
  }
  const auto date = http::parse_date(value, now);
  if (!date) return std::nullopt;
  return capped(*date - now);
}

}  // namespace millrace::client
