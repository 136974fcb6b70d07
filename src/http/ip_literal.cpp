#include "http/ip_literal.hpp"

#include "http/ascii.hpp"

#include <cstring>

#include <arpa/inet.h>

namespace millrace::http {

std::optional<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text) noexcept {
  std::array<std::uint8_t, 4> address{};
  for (std::size_t i = 0; i < address.size(); ++i) {
    const bool last = i + 1 == address.size();
    const std::size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != last) return std::nullopt;
    const std::string_view octet = text.substr(0, dot);
    if (octet.size() > 3 || (octet.size() > 1 && octet.front() == '0')) return std::nullopt;
    const std::optional<std::uint64_t> value = parse_decimal(octet);
    if (!value || *value > 255) return std::nullopt;
    address[i] = static_cast<std::uint8_t>(*value);
    if (!last) text.remove_prefix(dot + 1);
  }
  return address;
}

std::optional<std::array<std::uint8_t, 16>> parse_ipv6(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.empty() || text.size() >= terminated.size() || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::memcpy(terminated.data(), text.data(), text.size());
  std::array<std::uint8_t, 16> address{};
  if (::inet_pton(AF_INET6, terminated.data(), address.data()) != 1) return std::nullopt;
  return address;
}

}  // namespace millrace::http
