// DNS answers: never more records than allowed, never one of another type, and none that lives
// longer than a TTL may say.
#include "net/dns_message.hpp"

#include "fuzz/check.hpp"
#include "net/dns_name.hpp"

#include <cstdint>
#include <vector>

namespace {

using namespace millrace;
using fuzz::check;
using net::DnsMessage;
using net::DnsType;

constexpr std::size_t kRecordsMax = 4;

void check_message(const DnsMessage& message, DnsType type) {
  const net::DnsRecords& records = message.records;
  check(records.size() <= kRecordsMax, "too many records");
  check(records.services.empty() || type == DnsType::kSrv, "services that were not asked for");
  for (const net::IpAddress& a : records.addresses)
    check(net::type_of(a.family()) == type, "an address of the other family");
  for (const net::SrvRecord& r : records.services)
    check(net::is_dns_name(r.target), "a target that is no name");
  check(records.empty() || message.ttl, "records without a TTL");
  if (message.ttl)
    check(message.ttl->count() >= 0 && message.ttl->count() <= 0x7fffffff, "a TTL out of bounds");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<unsigned char> exact(data, data + size);
  for (const DnsType type : {DnsType::kA, DnsType::kAaaa, DnsType::kSrv})
    if (const auto message = net::parse_dns_message(exact, type, kRecordsMax))
      check_message(*message, type);
  return 0;
}
