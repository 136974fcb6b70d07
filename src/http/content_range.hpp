// Content-Range of a 206 with one part (RFC 9110 section 14.4).
//
// Thread rule: pure function.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::http {

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;              ///< the last byte's own position: first <= last < total
  std::optional<std::uint64_t> total;  ///< of the whole representation; nullopt: "*"

  friend bool operator==(const ContentRange&, const ContentRange&) = default;
};

/// "bytes 5-9/10". nullopt for everything else: other units, "bytes */10" (of a 416), positions
/// that do not fit together.
[[nodiscard]] std::optional<ContentRange> parse_content_range(std::string_view value) noexcept;

}  // namespace millrace::http
