// IP addresses as text, strictly: no octal, no hexadecimal, no short forms, no scope ids.
//
// Thread rule: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::http {

/// Four decimal octets without leading zeros (RFC 3986 section 3.2.2, IPv4address).
[[nodiscard]] std::optional<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text) noexcept;

/// RFC 4291 section 2.2, without brackets and without a scope id.
[[nodiscard]] std::optional<std::array<std::uint8_t, 16>> parse_ipv6(
    std::string_view text) noexcept;

}  // namespace millrace::http
