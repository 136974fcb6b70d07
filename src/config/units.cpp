#include "config/units.hpp"

#include "http/ascii.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

namespace millrace::config {
namespace {

constexpr std::uint64_t kSizeMax = INT64_MAX;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first, so that the first exact one is the shortest spelling.
constexpr auto kBinary = std::to_array<Unit>(
    {{"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}});
constexpr auto kDecimal = std::to_array<Unit>(
    {{"TB", 1'000'000'000'000}, {"GB", 1'000'000'000}, {"MB", 1'000'000}, {"KB", 1'000}, {"B", 1}});
constexpr auto kTimes =
    std::to_array<Unit>({{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}});

struct Amount {
  std::uint64_t number;
  std::string_view unit;
};

/// The digits in front and what follows them, a space in between allowed: "64 KiB".
std::optional<Amount> split(std::string_view text) {
  Amount amount{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount.number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  amount.unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (amount.unit.starts_with(' ')) amount.unit.remove_prefix(1);
  return amount;
}

std::optional<std::uint64_t> factor_of(std::span<const Unit> units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return std::nullopt;
}

/// "64k", "64K" and "64kb" are what people type: each has one reading in nginx and curl, 1024.
std::string size_hint(const Amount& amount) {
  if (amount.unit.empty() || amount.unit.size() > 3) return {};
  const char letter = static_cast<char>(amount.unit[0] & ~0x20);
  if (std::string_view("KMGT").find(letter) == std::string_view::npos) return {};
  return ", did you mean \"" + std::to_string(amount.number) + letter + "iB\"?";
}

Parsed<std::uint64_t> multiply(std::uint64_t number, std::uint64_t factor, std::string_view text) {
  if (number > kSizeMax / factor) return std::unexpected(quote(text) + " is too large");
  return number * factor;
}

}  // namespace

Parsed<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kExpected = "expected a size such as \"64KiB\" or \"10MB\", got ";
  const auto amount = split(text);
  if (!amount) return std::unexpected(std::string(kExpected) + quote(text));
  if (amount->unit.empty()) return multiply(amount->number, 1, text);
  auto factor = factor_of(kBinary, amount->unit);
  if (!factor) factor = factor_of(kDecimal, amount->unit);
  if (!factor) return std::unexpected(std::string(kExpected) + quote(text) + size_hint(*amount));
  return multiply(amount->number, *factor, text);
}

std::string format_size(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  Unit best{"", 1};
  for (const Unit& unit : kDecimal) {
    if (unit.factor > best.factor && bytes % unit.factor == 0) best = unit;
  }
  for (const Unit& unit : kBinary) {
    if (unit.factor > best.factor && bytes % unit.factor == 0) best = unit;
  }
  return std::to_string(bytes / best.factor).append(best.name);
}

Parsed<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::string_view kExpected =
      "expected a time such as \"250ms\", \"5s\" or \"2m\", got ";
  const auto amount = split(text);
  if (!amount) return std::unexpected(std::string(kExpected) + quote(text));
  if (amount->unit.empty() && amount->number == 0) return std::chrono::milliseconds(0);
  if (amount->unit.empty()) {
    return std::unexpected(quote(text) + " has no unit, did you mean \"" + std::string(text) +
                           "s\"?");
  }
  const auto factor = factor_of(kTimes, amount->unit);
  if (!factor) return std::unexpected(std::string(kExpected) + quote(text));
  const auto value = multiply(amount->number, *factor, text);
  if (!value) return std::unexpected(value.error());
  return std::chrono::milliseconds(*value);
}

std::string format_duration(std::chrono::milliseconds duration) {
  const auto ms = duration.count();
  if (ms % 1'000 != 0) return std::to_string(ms) + "ms";
  if (ms != 0 && ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms >= 120'000 && ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  return std::to_string(ms / 1'000) + "s";
}

std::string quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out.append("\\u00").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string quote_key(std::string_view name) {
  const auto bare = [](char c) {
    return http::is(c, http::kAlpha) || http::is(c, http::kDigit) || c == '-' || c == '_';
  };
  return !name.empty() && std::ranges::all_of(name, bare) ? std::string(name) : quote(name);
}

}  // namespace millrace::config
