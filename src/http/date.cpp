#include "http/date.hpp"

#include "http/ascii.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <time.h>

namespace millrace::http {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

constexpr sys_seconds kFirst = sys_days{std::chrono::year{0} / 1 / 1};
constexpr sys_seconds kLast =
    sys_days{std::chrono::year{9999} / 12 / 31} + days{1} - std::chrono::seconds{1};

void put_two(char* at, unsigned value) noexcept {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
}

// Reads a date from the left; the first mismatch makes everything after it fail.
class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : rest_(text) {}

  void literal(std::string_view expected) noexcept {
    if (rest_.starts_with(expected))
      rest_.remove_prefix(expected.size());
    else
      failed_ = true;
  }

  int number(std::size_t digits) noexcept {
    const std::string_view text = rest_.substr(0, digits);
    if (text.size() != digits || !all_are(text, kDigit)) {
      failed_ = true;
      return 0;
    }
    rest_.remove_prefix(digits);
    return static_cast<int>(*parse_decimal(text));
  }

  template <std::size_t N>
  int name(const std::array<std::string_view, N>& names) noexcept {
    for (std::size_t i = 0; i < N; ++i) {
      if (!rest_.starts_with(names[i])) continue;
      rest_.remove_prefix(names[i].size());
      return static_cast<int>(i);
    }
    failed_ = true;
    return 0;
  }

  // asctime pads the day with a space.
  int padded_day() noexcept {
    if (!rest_.starts_with(' ')) return number(2);
    rest_.remove_prefix(1);
    return number(1);
  }

  [[nodiscard]] bool done() const noexcept { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

struct Parts {
  int year = 0;
  int month = 0;  // from 0
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

void read_time(Reader& reader, Parts& parts) noexcept {
  parts.hour = reader.number(2);
  reader.literal(":");
  parts.minute = reader.number(2);
  reader.literal(":");
  parts.second = reader.number(2);
}

std::optional<sys_seconds> assemble(const Parts& parts) noexcept {
  const std::chrono::year_month_day date{std::chrono::year{parts.year},
                                         std::chrono::month{static_cast<unsigned>(parts.month) + 1},
                                         std::chrono::day{static_cast<unsigned>(parts.day)}};
  // 60 is a leap second in the grammar.
  if (!date.ok() || parts.hour > 23 || parts.minute > 59 || parts.second > 60) return std::nullopt;
  return sys_days{date} + std::chrono::hours{parts.hour} + std::chrono::minutes{parts.minute} +
         std::chrono::seconds{parts.second};
}

std::optional<sys_seconds> parse_imf_fixdate(std::string_view text) noexcept {
  Reader reader(text);
  Parts parts;
  reader.name(kDays);
  reader.literal(", ");
  parts.day = reader.number(2);
  reader.literal(" ");
  parts.month = reader.name(kMonths);
  reader.literal(" ");
  parts.year = reader.number(4);
  reader.literal(" ");
  read_time(reader, parts);
  reader.literal(" GMT");
  return reader.done() ? assemble(parts) : std::nullopt;
}

std::optional<sys_seconds> parse_rfc850(std::string_view text, sys_seconds now) noexcept {
  Reader reader(text);
  Parts parts;
  reader.name(kLongDays);
  reader.literal(", ");
  parts.day = reader.number(2);
  reader.literal("-");
  parts.month = reader.name(kMonths);
  reader.literal("-");
  const int two_digits = reader.number(2);
  reader.literal(" ");
  read_time(reader, parts);
  reader.literal(" GMT");
  if (!reader.done()) return std::nullopt;
  const std::chrono::year_month_day today{std::chrono::floor<days>(now)};
  const int this_year = static_cast<int>(today.year());
  parts.year = this_year - this_year % 100 + two_digits;
  if (parts.year > this_year + 50) parts.year -= 100;
  return assemble(parts);
}

std::optional<sys_seconds> parse_asctime(std::string_view text) noexcept {
  Reader reader(text);
  Parts parts;
  reader.name(kDays);
  reader.literal(" ");
  parts.month = reader.name(kMonths);
  reader.literal(" ");
  parts.day = reader.padded_day();
  reader.literal(" ");
  read_time(reader, parts);
  reader.literal(" ");
  parts.year = reader.number(4);
  return reader.done() ? assemble(parts) : std::nullopt;
}

}  // namespace

std::string_view format_date(sys_seconds time, std::span<char, kDateBytes> out) noexcept {
  time = std::clamp(time, kFirst, kLast);
  const sys_days day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date{day};
  const auto second_of_day = static_cast<unsigned>((time - day).count());
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  char* const at = out.data();
  std::memcpy(at, "Sun, 00 Jan 0000 00:00:00 GMT", kDateBytes);
  std::memcpy(at, kDays[std::chrono::weekday{day}.c_encoding()].data(), 3);
  put_two(at + 5, static_cast<unsigned>(date.day()));
  std::memcpy(at + 8, kMonths[static_cast<unsigned>(date.month()) - 1].data(), 3);
  put_two(at + 12, year / 100);
  put_two(at + 14, year % 100);
  put_two(at + 17, second_of_day / 3600);
  put_two(at + 20, second_of_day / 60 % 60);
  put_two(at + 23, second_of_day % 60);
  return {at, kDateBytes};
}

std::string_view date_now() noexcept {
  static thread_local std::array<char, kDateBytes> text;
  static thread_local time_t second = -1;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != second) {
    second = now.tv_sec;
    format_date(sys_seconds(std::chrono::seconds(second)), text);
  }
  return {text.data(), text.size()};
}

std::optional<sys_seconds> parse_date(std::string_view text, sys_seconds now) noexcept {
  if (const auto time = parse_imf_fixdate(text)) return time;
  if (const auto time = parse_rfc850(text, now)) return time;
  return parse_asctime(text);
}

}  // namespace millrace::http
