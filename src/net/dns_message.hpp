// What a DNS answer says (RFC 1035 section 4): the records of one type for the name that was asked,
// behind its CNAMEs, or for how long there is none (RFC 2308).
//
// Pure; the bytes come from strangers. Whether the answer belongs to the question is c-ares' part.
#pragma once

#include "base/error.hpp"
#include "net/address.hpp"

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::net {

enum class DnsType : std::uint16_t { kA = 1, kAaaa = 28, kSrv = 33 };

[[nodiscard]] constexpr DnsType type_of(Family family) noexcept {
  return family == Family::kV4 ? DnsType::kA : DnsType::kAaaa;
}
/// "A", "AAAA", "SRV".
[[nodiscard]] std::string_view name_of(DnsType type) noexcept;

/// One server of a service (RFC 2782). `target`: a name in lower case, without the final dot.
struct SrvRecord {
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  std::uint16_t port = 0;
  std::string target;
  friend auto operator<=>(const SrvRecord&, const SrvRecord&) = default;
};

/// The records of one type: the other list is empty.
struct DnsRecords {
  std::vector<IpAddress> addresses;
  std::vector<SrvRecord> services;
  [[nodiscard]] bool empty() const noexcept { return addresses.empty() && services.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return addresses.size() + services.size(); }
  friend bool operator==(const DnsRecords&, const DnsRecords&) = default;
};

struct DnsMessage {
  /// Empty: there are none, and a service that says so by the target "." (RFC 2782) has none.
  DnsRecords records;
  /// The shortest TTL of the records and of the CNAMEs before them; without records the lesser of
  /// the SOA record's TTL and its MINIMUM (RFC 2308 section 5). nullopt: no SOA record says.
  std::optional<std::chrono::seconds> ttl;
  /// The name does not exist at all, whatever the type (NXDOMAIN).
  bool nxdomain = false;
};

/// CNAMEs followed within one answer.
inline constexpr int kCnamesMax = 16;

/// Of more than `records_max` records the first ones are given. kDnsFailed: damaged, too long a
/// chain, or a response code other than NOERROR and NXDOMAIN. A TTL over 2^31 - 1 counts as 0 (RFC
/// 2181 section 8).
[[nodiscard]] Result<DnsMessage> parse_dns_message(std::span<const unsigned char> bytes,
                                                   DnsType type, std::size_t records_max);

}  // namespace millrace::net
