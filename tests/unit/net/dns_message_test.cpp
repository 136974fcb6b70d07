#include "net/dns_message.hpp"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using std::chrono::seconds;

constexpr int kA = 1, kCname = 5, kSoa = 6, kAaaa = 28, kSrv = 33;

std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}
std::string u32(std::uint32_t value) {
  return u16(value >> 16) + u16(value & 0xffff);
}
std::string wire(const std::string& name) {
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    out += static_cast<char>(dot - at) + name.substr(at, dot - at);
    at = dot + 1;
  }
  return out + '\0';
}
/// The name of the question, by a pointer.
const std::string kAsked = u16(0xc00c);

std::string record(const std::string& owner, int type, std::uint32_t ttl, const std::string& data,
                   unsigned record_class = 1) {
  return owner + u16(static_cast<unsigned>(type)) + u16(record_class) + u32(ttl) +
         u16(static_cast<unsigned>(data.size())) + data;
}
std::string soa(std::uint32_t ttl, std::uint32_t minimum) {
  return record(
      wire("example"), kSoa, ttl,
      wire("ns.example") + wire("root.example") + u32(1) + u32(2) + u32(3) + u32(4) + u32(minimum));
}

struct Parts {
  std::vector<std::string> answers;
  std::vector<std::string> authority = {};
  unsigned rcode = 0;
};
std::string message(const Parts& parts) {
  std::string out = u16(7) + u16(0x8180U | parts.rcode) + u16(1) +
                    u16(static_cast<unsigned>(parts.answers.size())) +
                    u16(static_cast<unsigned>(parts.authority.size())) + u16(0);
  out += wire("WWW.example") + u16(kA) + u16(1);
  for (const std::string& r : parts.answers) out += r;
  for (const std::string& r : parts.authority) out += r;
  return out;
}

Result<DnsMessage> parse(const std::string& bytes, DnsType type = DnsType::kA,
                         std::size_t records_max = 64) {
  // A buffer of exactly its size, so that a sanitizer sees a step too far.
  const std::vector<unsigned char> exact(bytes.begin(), bytes.end());
  return parse_dns_message(exact, type, records_max);
}

const IpAddress kFour = IpAddress::v4({1, 2, 3, 4});
const std::string kFourBytes = "\x01\x02\x03\x04";

TEST(DnsMessage, ReadsAddresses) {
  const auto four = parse(message({{record(kAsked, kA, 30, kFourBytes)}}));
  ASSERT_TRUE(four);
  EXPECT_EQ(four->records.addresses, std::vector{kFour});
  EXPECT_EQ(four->ttl, seconds(30));
  const auto six = parse(message({{record(wire("www.EXAMPLE"), kAaaa, 9, std::string(16, '\1'))}}),
                         DnsType::kAaaa);
  ASSERT_TRUE(six);
  ASSERT_EQ(six->records.addresses.size(), 1U);
  EXPECT_TRUE(six->records.addresses[0].is_v6());
}

TEST(DnsMessage, LeavesOutWhatWasNotAsked) {
  const auto other = parse(message(
      {{record(wire("other.example"), kA, 30, kFourBytes),
        record(kAsked, kAaaa, 30, std::string(16, '\1')), record(kAsked, kA, 30, kFourBytes, 3),
        record(kAsked, kA, 30, "123"), record(kAsked, kA, 30, "12345")}}));
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->records.empty());
  EXPECT_EQ(other->ttl, std::nullopt);
}

TEST(DnsMessage, FollowsCnamesInAnyOrderByTheShortestTtl) {
  const std::string a = record(wire("c.example"), kA, 50, kFourBytes);
  const std::string first = record(kAsked, kCname, 40, wire("B.example"));
  const std::string second = record(wire("b.example"), kCname, 60, wire("c.Example"));
  for (const auto& answers : {std::vector{first, second, a}, std::vector{a, second, first}}) {
    const auto found = parse(message({answers}));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->records.addresses, std::vector{kFour});
    EXPECT_EQ(found->ttl, seconds(40));
  }
}

TEST(DnsMessage, RingsAndLongChainsAreErrors) {
  const std::string ring = record(kAsked, kCname, 1, wire("www.example"));
  EXPECT_EQ(parse(message({{ring}})).error(), Error(Errc::kDnsFailed));
  const auto chain = [](int length) {
    std::vector<std::string> answers;
    for (int i = 0; i < length; ++i) {
      const std::string owner = i == 0 ? kAsked : wire("n" + std::to_string(i));
      answers.push_back(record(owner, kCname, 1, wire("n" + std::to_string(i + 1))));
    }
    answers.push_back(record(wire("n" + std::to_string(length)), kA, 1, kFourBytes));
    return parse(message({answers}));
  };
  EXPECT_TRUE(chain(kCnamesMax));
  EXPECT_EQ(chain(kCnamesMax + 1).error(), Error(Errc::kDnsFailed));
}

TEST(DnsMessage, TheSoaSaysForHowLongThereIsNothing) {
  for (const unsigned rcode : {0U, 3U}) {
    const auto none = parse(message({{}, {soa(30, 20)}, rcode}));
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->records.empty());
    EXPECT_EQ(none->ttl, seconds(20));
    EXPECT_EQ(none->nxdomain, rcode == 3);
  }
  EXPECT_EQ(parse(message({{}, {soa(10, 20)}, 3}))->ttl, seconds(10));
  EXPECT_EQ(parse(message({{}, {soa(0x80000000, 20)}, 3}))->ttl, seconds(0));
  EXPECT_EQ(parse(message({{}, {}, 3}))->ttl, std::nullopt);
  EXPECT_EQ(parse(message({{}, {record(wire("example"), kSoa, 9, "short")}, 3}))->ttl,
            std::nullopt);
}

TEST(DnsMessage, OtherResponseCodesAreFailures) {
  for (const unsigned rcode : {1U, 2U, 4U, 5U, 15U})
    EXPECT_EQ(parse(message({{}, {}, rcode})).error(), Error(Errc::kDnsFailed));
}

TEST(DnsMessage, TtlsBeyondTheSignCountAsZero) {
  const auto ttl = [](std::uint32_t value) {
    return parse(message({{record(kAsked, kA, value, kFourBytes)}}))->ttl;
  };
  EXPECT_EQ(ttl(0x7fffffff), seconds(0x7fffffff));
  EXPECT_EQ(ttl(0x80000000), seconds(0));
}

TEST(DnsMessage, CapsTheRecordsAndCountsAllTtls) {
  std::vector<std::string> answers(512, record(kAsked, kA, 30, kFourBytes));
  answers.push_back(record(kAsked, kA, 3, kFourBytes));
  const auto found = parse(message({answers}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->records.addresses.size(), 64U);
  EXPECT_EQ(found->ttl, seconds(3));
}

TEST(DnsMessage, ReadsServices) {
  const auto srv = [](const std::string& target) {
    return record(kAsked, kSrv, 5, u16(1) + u16(2) + u16(3) + target);
  };
  const auto found = parse(message({{srv(wire("A.example")), srv(wire("")), srv(wire("a b")),
                                     srv("\x05short"), srv(kAsked)}}),
                           DnsType::kSrv);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->records.services.size(), 2U);
  EXPECT_EQ(found->records.services[0],
            (SrvRecord{.priority = 1, .weight = 2, .port = 3, .target = "a.example"}));
  EXPECT_EQ(found->records.services[1].target, "www.example");
}

TEST(DnsMessage, PointersThatRunAroundAreErrors) {
  for (const unsigned target : {0xc01dU, 0xc01eU, 0xffffU})  // itself, its second half, outside
    EXPECT_EQ(parse(message({{record(u16(target), kA, 1, kFourBytes)}})).error(),
              Error(Errc::kDnsFailed));
}

TEST(DnsMessage, CutShortAnywhereIsAnError) {
  const std::string whole = message({{record(kAsked, kCname, 40, wire("b.example")),
                                      record(wire("b.example"), kA, 30, kFourBytes)},
                                     {soa(1, 1)}});
  ASSERT_TRUE(parse(whole));
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
    EXPECT_FALSE(parse(whole.substr(0, bytes))) << bytes;
}

TEST(DnsMessage, NoiseDoesNoHarm) {
  const std::string whole =
      message({{record(kAsked, kCname, 40, wire("b.example")),
                record(wire("b.example"), kSrv, 30, u16(1) + u16(2) + u16(3) + kAsked)},
               {soa(1, 1)}});
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string noisy = whole;
    for (unsigned flips = random() % 4 + 1; flips > 0; --flips)
      noisy[random() % noisy.size()] = static_cast<char>(random());
    const auto found = parse(noisy, DnsType::kSrv, 4);
    if (found) EXPECT_LE(found->records.size(), 4U);
  }
}

}  // namespace
}  // namespace millrace::net
