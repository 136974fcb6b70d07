// Dates in HTTP (RFC 9110 section 5.6.7), without a locale and without the C library's time zone.
//
// Thread rule: pure functions, but for date_now's text, which is per thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace millrace::http {

/// "Sun, 06 Nov 1994 08:49:37 GMT".
inline constexpr std::size_t kDateBytes = 29;

/// IMF-fixdate into `out`; the view is of `out`. Times outside the years 0 to 9999 become the
/// nearest one inside.
std::string_view format_date(std::chrono::sys_seconds time,
                             std::span<char, kDateBytes> out) noexcept;

/// The time of day as IMF-fixdate, at most a few milliseconds old. Formatted once a second and
/// thread; the view lives until the next call on this thread.
[[nodiscard]] std::string_view date_now() noexcept;

/// IMF-fixdate, or one of the obsolete two: "Sunday, 06-Nov-94 08:49:37 GMT" and
/// "Sun Nov  6 08:49:37 1994". The day's name must be one but need not fit the date. A two-digit
/// year that is more than 50 years after `now` is in the past century, as the RFC demands.
/// Everything else is nullopt: a malformed date is to be ignored.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_date(
    std::string_view text, std::chrono::sys_seconds now) noexcept;

}  // namespace millrace::http
