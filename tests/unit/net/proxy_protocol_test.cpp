#include "net/proxy_protocol.hpp"

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using State = ProxyHeader::State;
using namespace std::string_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

SocketAddress at(std::string_view text) {
  return SocketAddress::parse(text).value();
}

std::string u16(std::size_t n) {
  return {static_cast<char>(n >> 8), static_cast<char>(n)};
}

/// Version 2 with the right length in front of `block`.
std::string v2(unsigned command, unsigned kind, const std::string& block) {
  return kSignature + static_cast<char>(0x20 | command) + static_cast<char>(kind) +
         u16(block.size()) + block;
}

const std::string kV4Ends = "\xc0\0\2\1\xc0\0\2\2"s + "\xdc\x04\x01\xbb"s;
const std::string kV6Ends = "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"s +
                            "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"s + "\xdc\x04\x01\xbb"s;

std::string tlv(char type, const std::string& value) {
  return type + u16(value.size()) + value;
}

/// The whole, what is behind it, and every beginning of it: the answer never changes.
void expect_done(const std::string& header, const std::optional<ProxyAddresses>& addresses) {
  SCOPED_TRACE(testing::PrintToString(header));
  for (std::size_t n = 0; n < header.size(); ++n)
    ASSERT_EQ(parse_proxy_header(header.substr(0, n)).state, State::kNeedMore) << n;
  for (const std::string& behind : {""s, "G"s, header, "\r\n"s, std::string(5000, 'x')}) {
    const ProxyHeader got = parse_proxy_header(header + behind);
    ASSERT_EQ(got.state, State::kDone);
    EXPECT_EQ(got.used, header.size());
    EXPECT_EQ(got.addresses, addresses);
  }
}

/// Malformed, however it is cut, from some byte on.
void expect_malformed(const std::string& header) {
  SCOPED_TRACE(testing::PrintToString(header));
  bool known = false;
  for (std::size_t n = 0; n <= header.size(); ++n) {
    const State state = parse_proxy_header(header.substr(0, n)).state;
    ASSERT_EQ(state, known || state != State::kNeedMore ? State::kMalformed : State::kNeedMore);
    known = state == State::kMalformed;
  }
  EXPECT_TRUE(known);
  EXPECT_EQ(parse_proxy_header(header + std::string(200, '\n')).state, State::kMalformed);
}

void expect_v4_line(const std::string& line, std::string_view source, std::string_view to) {
  expect_done(line, ProxyAddresses{at(source), at(to)});
}

TEST(ProxyProtocol, Lines) {
  expect_v4_line("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", "192.0.2.1:56324",
                 "192.0.2.2:443");
  expect_v4_line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                 "255.255.255.255:65535", "255.255.255.255:65535");
  expect_v4_line("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0", "0.0.0.0:0");
  expect_v4_line("PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n", "[2001:db8::1]:1",
                 "[2001:db8::2]:2");
  expect_v4_line("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "[::ffff:192.0.2.1]:1", "[::1]:2");
  const std::string full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  expect_v4_line("PROXY TCP6 " + full + " " + full + " 65535 65535\r\n", "[" + full + "]:65535",
                 "[" + full + "]:65535");
}

TEST(ProxyProtocol, UnknownLinesTellNothing) {
  for (const char* rest : {"", " ", " anything at all", " TCP4 1.2.3.4", "  \x01\xff"})
    expect_done("PROXY UNKNOWN"s + rest + "\r\n", std::nullopt);
  expect_malformed("PROXY UNKNOWNX\r\n");
  expect_malformed("PROXY UNKNOW\r\n");
  expect_malformed("PROXY UNKNOWN a\rb\r\n");
  expect_malformed("PROXY UNKNOWN a\nb\r\n");
}

TEST(ProxyProtocol, LinesHave107BytesAtMost) {
  const std::string begin = "PROXY UNKNOWN ";
  expect_done(begin + std::string(107 - 2 - begin.size(), 'f') + "\r\n", std::nullopt);
  expect_malformed(begin + std::string(108 - 2 - begin.size(), 'f') + "\r\n");
  expect_malformed("PROXY " + std::string(200, ' '));
}

TEST(ProxyProtocol, BadLines) {
  for (const char* line : {
           "",
           " ",
           "TCP4",
           "TCP5 192.0.2.1 192.0.2.2 1 2",
           "tcp4 192.0.2.1 192.0.2.2 1 2",
           "UDP4 192.0.2.1 192.0.2.2 1 2",
           " TCP4 192.0.2.1 192.0.2.2 1 2",
           "TCP4  192.0.2.1 192.0.2.2 1 2",
           "TCP4 192.0.2.1  192.0.2.2 1 2",
           "TCP4 192.0.2.1 192.0.2.2 1 2 ",
           "TCP4 192.0.2.1 192.0.2.2 1 2 3",
           "TCP4 192.0.2.1 192.0.2.2 1",
           "TCP4 192.0.2.1 192.0.2.2 1 ",
           "TCP4 192.0.2.1\t192.0.2.2 1 2",
           "TCP4 192.0.2.01 192.0.2.2 1 2",
           "TCP4 192.0.2 192.0.2.2 1 2",
           "TCP4 192.0.2.256 192.0.2.2 1 2",
           "TCP4 2001:db8::1 2001:db8::2 1 2",
           "TCP6 192.0.2.1 192.0.2.2 1 2",
           "TCP6 2001:db8::1 192.0.2.2 1 2",
           "TCP6 2001:db8::1%lo 2001:db8::2 1 2",
           "TCP6 [2001:db8::1] 2001:db8::2 1 2",
           "TCP4 localhost 192.0.2.2 1 2",
           "TCP4 192.0.2.1 192.0.2.2 01 2",
           "TCP4 192.0.2.1 192.0.2.2 1 02",
           "TCP4 192.0.2.1 192.0.2.2 +1 2",
           "TCP4 192.0.2.1 192.0.2.2 -1 2",
           "TCP4 192.0.2.1 192.0.2.2 0x1 2",
           "TCP4 192.0.2.1 192.0.2.2 65536 2",
           "TCP4 192.0.2.1 192.0.2.2 1 65536",
           "TCP4 192.0.2.1 192.0.2.2 99999999999 2",
       })
    expect_malformed("PROXY "s + line + "\r\n");
  expect_malformed("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n");
  expect_malformed("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rG");
  expect_malformed("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n");
  expect_malformed("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"s);
}

TEST(ProxyProtocol, OtherBytesAreNoHeader) {
  for (const std::string& bytes :
       {"GET / HTTP/1.1\r\n"s, "POST /"s, "PROPFIND /"s, "PROXYX"s, "proxy TCP4"s, "PRI * HT"s,
        "\r\nGET"s, "\r\n\r\n\r\n"s, "\x16\x03\x01"s, "\n"s, "\0"s, " PROXY "s,
        "\r\n\r\n\0\r\nQUIT\r"s}) {
    const ProxyHeader got = parse_proxy_header(bytes);
    EXPECT_EQ(got.state, State::kNone) << testing::PrintToString(bytes);
  }
  EXPECT_EQ(parse_proxy_header("").state, State::kNeedMore);
}

TEST(ProxyProtocol, Blocks) {
  expect_done(v2(1, 0x11, kV4Ends), ProxyAddresses{at("192.0.2.1:56324"), at("192.0.2.2:443")});
  expect_done(v2(1, 0x21, kV6Ends),
              ProxyAddresses{at("[2001:db8::1]:56324"), at("[2001:db8::2]:443")});
}

TEST(ProxyProtocol, BlocksThatTellNothing) {
  expect_done(v2(0, 0x00, ""), std::nullopt);
  expect_done(v2(0, 0x11, kV4Ends), std::nullopt);
  expect_done(v2(0, 0xff, "skipped"), std::nullopt);  // a LOCAL family is ignored
  expect_done(v2(1, 0x00, ""), std::nullopt);
  expect_done(v2(1, 0x00, "skipped"), std::nullopt);
  expect_done(v2(1, 0x10, "skipped"), std::nullopt);
  expect_done(v2(1, 0x01, "skipped"), std::nullopt);
  expect_done(v2(1, 0x12, kV4Ends), std::nullopt);  // UDP
  expect_done(v2(1, 0x22, kV6Ends), std::nullopt);
  expect_done(v2(1, 0x31, std::string(216, 'u')), std::nullopt);
  expect_done(v2(1, 0x32, std::string(216, 'u') + tlv(4, "")), std::nullopt);
}

TEST(ProxyProtocol, BadBlocks) {
  for (const unsigned first : {0x00u, 0x11u, 0x31u, 0xf1u, 0x22u, 0x2fu})
    expect_malformed(kSignature + static_cast<char>(first) + "\x11" + u16(12) + kV4Ends);
  for (const unsigned kind : {0x13u, 0x1fu, 0x41u, 0xf1u, 0x40u})
    expect_malformed(v2(1, kind, kV4Ends));
  for (std::size_t n = 0; n < 12; ++n) {
    expect_malformed(v2(1, 0x11, kV4Ends.substr(0, n)));
    expect_malformed(v2(1, 0x12, kV4Ends.substr(0, n)));
  }
  for (std::size_t n = 0; n < 36; ++n) expect_malformed(v2(1, 0x21, kV6Ends.substr(0, n)));
  expect_malformed(v2(1, 0x31, std::string(215, 'u')));
}

TEST(ProxyProtocol, TlvsAreSkippedAndMustFit) {
  const ProxyAddresses ends{at("192.0.2.1:56324"), at("192.0.2.2:443")};
  expect_done(v2(1, 0x11, kV4Ends + tlv(1, "h2") + tlv(4, "") + tlv('\xe0', "x")), ends);
  expect_malformed(v2(1, 0x11, kV4Ends + "\x04"s));
  expect_malformed(v2(1, 0x11, kV4Ends + "\x04\0"s));
  expect_malformed(v2(1, 0x11, kV4Ends + "\x04\0\1"s));
  expect_malformed(v2(1, 0x11, kV4Ends + tlv(4, "") + "\x04\xff\xff"s));
}

TEST(ProxyProtocol, BlocksHaveALimit) {
  const std::size_t padding = kProxyBlockBytesMax - kV4Ends.size() - 3;
  const std::string largest = v2(1, 0x11, kV4Ends + tlv(4, std::string(padding, 'p')));
  EXPECT_EQ(largest.size(), kProxyHeaderBytesMax);
  EXPECT_EQ(parse_proxy_header(largest).used, largest.size());
  const std::string over = v2(1, 0x11, kV4Ends + tlv(4, std::string(padding + 1, 'p')));
  EXPECT_EQ(parse_proxy_header(over.substr(0, 16)).state, State::kMalformed);
  EXPECT_EQ(parse_proxy_header(over).state, State::kMalformed);
}

// The sum of the 16 bytes, the ends and this TLV, worked out bit by bit here.
std::uint32_t reference_crc32c(const std::string& bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82f63b78U & -(crc & 1U));
  }
  return ~crc;
}

TEST(ProxyProtocol, ChecksumsAreVerified) {
  EXPECT_EQ(reference_crc32c("123456789"), 0xe3069283U);  // the published check value
  std::string header = v2(1, 0x11, kV4Ends + tlv(3, std::string(4, '\0')) + tlv(4, "behind"));
  const std::size_t at_sum = kSignature.size() + 4 + kV4Ends.size() + 3;
  const std::uint32_t sum = reference_crc32c(header);
  header.replace(at_sum, 4, u16(sum >> 16) + u16(sum & 0xffff));
  expect_done(header, ProxyAddresses{at("192.0.2.1:56324"), at("192.0.2.2:443")});
  for (std::size_t i = 16; i < header.size(); ++i) {  // one bit anywhere
    if (i == at_sum - 3) continue;                    // that made it another TLV
    std::string damaged = header;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_EQ(parse_proxy_header(damaged).state, State::kMalformed) << i;
  }
  expect_malformed(v2(1, 0x11, kV4Ends + tlv(3, "abc")));
  expect_malformed(v2(1, 0x11, kV4Ends + tlv(3, "abcde")));
}

}  // namespace
}  // namespace millrace::net
