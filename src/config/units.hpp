// The units of the file: sizes such as "64KiB", times such as "250ms", and how both are written
// back.
//
// Every parser of this folder answers Parsed<T>: the value, or a sentence for the operator that
// says what is wrong with the text and what was expected. The key's name and its place are added
// above.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace millrace::config {

template <class T>
using Parsed = std::expected<T, std::string>;

/// A whole number and B, KiB, MiB, GiB, TiB (powers of 1024) or KB, MB, GB, TB (powers of 1000);
/// bytes when the unit is left out. What does not fit into 63 bits is refused.
[[nodiscard]] Parsed<std::uint64_t> parse_size(std::string_view text);

/// The shortest exact spelling that parse_size reads back: "64KiB", "10MB", "17".
[[nodiscard]] std::string format_size(std::uint64_t bytes);

/// A whole number and ms, s, m or h; the unit may be left out for 0 only.
[[nodiscard]] Parsed<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The largest unit that is exact, seconds up to two minutes: "250ms", "75s", "5m", "24h".
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

/// `text` between double quotes, escaped so that TOML and JSON both read it as it was; control
/// characters never reach a terminal. Does not touch `$`.
[[nodiscard]] std::string quote(std::string_view text);

/// A key as TOML wants it: bare where possible, quoted otherwise.
[[nodiscard]] std::string quote_key(std::string_view name);

}  // namespace millrace::config
