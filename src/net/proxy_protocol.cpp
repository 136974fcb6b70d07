#include "net/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace millrace::net {
namespace {

using State = ProxyHeader::State;

constexpr std::string_view kLineSignature = "PROXY ";
constexpr std::string_view kBlockSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixedBytes = 16;
constexpr std::size_t kTlvHeadBytes = 3;
constexpr std::uint8_t kTlvCrc32c = 0x03;

constexpr ProxyHeader malformed() noexcept {
  return {.state = State::kMalformed};
}

// --- version 1 ---

/// Takes what stands before the next space off `text`; everything when there is none.
std::string_view next_word(std::string_view& text) noexcept {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<IpAddress> parse_ip(std::string_view text, Family family) noexcept {
  const auto ip = IpAddress::parse(text);
  if (!ip || ip->family() != family) return std::nullopt;
  return ip;
}

/// "192.0.2.1 192.0.2.2 56324 443"
std::optional<ProxyAddresses> parse_ends(std::string_view text, Family family) noexcept {
  if (std::ranges::count(text, ' ') != 3) return std::nullopt;
  const auto source = parse_ip(next_word(text), family);
  const auto destination = parse_ip(next_word(text), family);
  const auto source_port = parse_port(next_word(text));
  const auto destination_port = parse_port(text);
  if (!source || !destination || !source_port || !destination_port) return std::nullopt;
  return ProxyAddresses{{*source, *source_port}, {*destination, *destination_port}};
}

ProxyHeader judge_line(std::string_view line) noexcept {
  ProxyHeader header{.state = State::kDone, .used = line.size() + 2, .addresses = std::nullopt};
  std::string_view rest = line.substr(kLineSignature.size());
  if (rest == "UNKNOWN" || rest.starts_with("UNKNOWN ")) return header;
  const std::string_view protocol = next_word(rest);
  if (protocol != "TCP4" && protocol != "TCP6") return malformed();
  header.addresses = parse_ends(rest, protocol == "TCP4" ? Family::kV4 : Family::kV6);
  return header.addresses ? header : malformed();
}

ProxyHeader parse_line(std::string_view bytes) noexcept {
  const std::string_view visible = bytes.substr(0, kProxyLineBytesMax);
  const std::size_t end = visible.find_first_of("\r\n");
  const bool room_for_crlf = std::min(end, visible.size()) + 2 <= kProxyLineBytesMax;
  if (!room_for_crlf) return malformed();
  if (end == std::string_view::npos) return {};
  if (visible[end] != '\r') return malformed();
  if (end + 1 == visible.size()) return {};
  return visible[end + 1] == '\n' ? judge_line(visible.substr(0, end)) : malformed();
}

// --- version 2 ---

std::uint8_t byte_at(std::string_view bytes, std::size_t i) noexcept {
  return static_cast<std::uint8_t>(bytes[i]);
}

std::uint16_t u16_at(std::string_view bytes, std::size_t i) noexcept {
  return static_cast<std::uint16_t>(byte_at(bytes, i) << 8 | byte_at(bytes, i + 1));
}

template <std::size_t N>
std::array<std::uint8_t, N> octets_at(std::string_view bytes, std::size_t i) noexcept {
  std::array<std::uint8_t, N> out{};
  for (std::size_t k = 0; k < N; ++k) out[k] = byte_at(bytes, i + k);
  return out;
}

template <std::size_t N>
ProxyAddresses ends_of(std::string_view block) noexcept {
  const auto ip = [block](std::size_t i) {
    if constexpr (N == 4) return IpAddress::v4(octets_at<N>(block, i));
    if constexpr (N == 16) return IpAddress::v6(octets_at<N>(block, i));
  };
  return {{ip(0), u16_at(block, 2 * N)}, {ip(N), u16_at(block, 2 * N + 2)}};
}

constexpr std::array<std::uint32_t, 256> kCrc32cTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
    table[i] = crc;
  }
  return table;
}();

/// Of the whole header (RFC 9260, appendix A), with zeros where the sum itself stands.
std::uint32_t crc32c(std::string_view header, std::size_t sum_at) noexcept {
  std::uint32_t crc = ~0U;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const std::uint8_t byte = i >= sum_at && i < sum_at + 4 ? 0 : byte_at(header, i);
    crc = crc >> 8 ^ kCrc32cTable[(crc ^ byte) & 0xff];
  }
  return ~crc;
}

/// The TLVs from `at` on fill the header exactly, and the checksum among them, if any, is right.
bool tlvs_are_sound(std::string_view header, std::size_t at) noexcept {
  bool summed = false;
  while (at != header.size()) {
    if (header.size() - at < kTlvHeadBytes) return false;
    const std::uint8_t type = byte_at(header, at);
    const std::size_t size = u16_at(header, at + 1);
    at += kTlvHeadBytes;
    if (header.size() - at < size) return false;
    if (type == kTlvCrc32c) {
      if (summed || size != 4) return false;
      summed = true;
      const std::uint32_t sum =
          static_cast<std::uint32_t>(u16_at(header, at)) << 16 | u16_at(header, at + 2);
      if (sum != crc32c(header, at)) return false;
    }
    at += size;
  }
  return true;
}

/// What byte 14 announces, in front of the TLVs. Unspecified ones say nothing of what follows.
struct AddressKind {
  std::uint8_t code;
  std::size_t bytes;
  std::optional<ProxyAddresses> (*read)(std::string_view block) noexcept;
};

constexpr auto kAddressKinds = std::to_array<AddressKind>({
    {0x11, 12, [](std::string_view b) noexcept { return std::optional(ends_of<4>(b)); }},
    {0x12, 12, nullptr},
    {0x21, 36, [](std::string_view b) noexcept { return std::optional(ends_of<16>(b)); }},
    {0x22, 36, nullptr},
    {0x31, 216, nullptr},
    {0x32, 216, nullptr},
});

ProxyHeader judge_block(std::string_view header) noexcept {
  ProxyHeader out{.state = State::kDone, .used = header.size(), .addresses = std::nullopt};
  const bool local = (byte_at(header, 12) & 0xf) == 0;
  const auto* kind = std::ranges::find(kAddressKinds, byte_at(header, 13), &AddressKind::code);
  if (local || kind == kAddressKinds.end()) return out;
  if (header.size() < kFixedBytes + kind->bytes) return malformed();
  if (!tlvs_are_sound(header, kFixedBytes + kind->bytes)) return malformed();
  if (kind->read != nullptr) out.addresses = kind->read(header.substr(kFixedBytes));
  return out;
}

/// Each of the fixed bytes is judged as soon as it is there.
ProxyHeader parse_block(std::string_view bytes) noexcept {
  if (bytes.size() <= 12) return {};
  const unsigned version = byte_at(bytes, 12) >> 4U, command = byte_at(bytes, 12) & 0xfU;
  if (version != 2 || command > 1) return malformed();
  if (bytes.size() <= 13) return {};
  const unsigned family = byte_at(bytes, 13) >> 4U, protocol = byte_at(bytes, 13) & 0xfU;
  if (command == 1 && (family > 3 || protocol > 2)) return malformed();
  if (bytes.size() < kFixedBytes) return {};
  const std::size_t size = kFixedBytes + u16_at(bytes, 14);
  if (size > kProxyHeaderBytesMax) return malformed();
  if (bytes.size() < size) return {};
  return judge_block(bytes.substr(0, size));
}

bool agrees(std::string_view bytes, std::string_view signature) noexcept {
  const std::size_t n = std::min(bytes.size(), signature.size());
  return bytes.substr(0, n) == signature.substr(0, n);
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) noexcept {
  const bool line = agrees(bytes, kLineSignature), block = agrees(bytes, kBlockSignature);
  if (line && bytes.size() >= kLineSignature.size()) return parse_line(bytes);
  if (block && bytes.size() >= kBlockSignature.size()) return parse_block(bytes);
  return {.state = line || block ? State::kNeedMore : State::kNone};
}

}  // namespace millrace::net
