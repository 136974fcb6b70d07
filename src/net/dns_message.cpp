#include "net/dns_message.hpp"

#include "net/dns_name.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::net {

namespace {

using std::chrono::seconds;

constexpr std::size_t kHeaderBytes = 12;
constexpr std::uint16_t kClassIn = 1;
constexpr std::uint16_t kTypeCname = 5, kTypeSoa = 6;
constexpr int kNoError = 0, kNxDomain = 3;
/// Of one name; each jump of a good one goes back by two bytes at least.
constexpr int kPointersMax = 128;
constexpr std::size_t kNameWireBytesMax = 255;

/// Reads forward; whatever lies behind the end is zero and makes `good` false.
class Reader {
 public:
  explicit Reader(std::span<const unsigned char> bytes, std::size_t at = 0) noexcept
      : bytes_(bytes), at_(at) {}

  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  std::uint8_t u8() noexcept {
    if (at_ < bytes_.size()) return bytes_[at_++];
    good_ = false;
    return 0;
  }
  std::uint16_t u16() noexcept {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() noexcept {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  void skip(std::size_t count) noexcept {
    if (count > bytes_.size() - at_) good_ = false;
    at_ = std::min(at_ + count, bytes_.size());
  }
  seconds ttl() noexcept {
    const std::uint32_t value = u32();
    return seconds(value > 0x7fffffff ? 0 : value);
  }
  /// In lower case, without the final dot; a dot within a label is a NUL. Pointers are followed.
  std::string name();

 private:
  std::span<const unsigned char> bytes_;
  std::size_t at_;
  bool good_ = true;
};

char as_name_char(std::uint8_t byte) noexcept {
  if (byte >= 'A' && byte <= 'Z') return static_cast<char>(byte + ('a' - 'A'));
  return byte == '.' ? '\0' : static_cast<char>(byte);
}

std::string Reader::name() {
  std::string out;
  std::optional<std::size_t> behind;  // the first pointer
  for (int pointers = 0; good_;) {
    const std::uint8_t length = u8();
    if (length == 0) break;
    if ((length & 0xc0) == 0xc0) {
      const std::size_t target = (length & 0x3fU) << 8 | u8();
      if (!behind) behind = at_;
      good_ = good_ && ++pointers <= kPointersMax && target < bytes_.size();
      at_ = std::min(target, bytes_.size());
      continue;
    }
    good_ = good_ && length < 0x40 && out.size() + length + 2 <= kNameWireBytesMax;
    if (!good_) break;
    if (!out.empty()) out += '.';
    for (int i = 0; i < length; ++i) out += as_name_char(u8());
  }
  if (behind) at_ = *behind;
  return out;
}

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  seconds ttl{0};
  std::size_t data_at = 0;
  std::size_t data_bytes = 0;
};

/// nullopt: of another class, or damaged, as the reader then says.
std::optional<Record> read_record(Reader& reader) {
  Record r;
  r.owner = reader.name();
  r.type = reader.u16();
  const std::uint16_t record_class = reader.u16();
  r.ttl = reader.ttl();
  r.data_bytes = reader.u16();
  r.data_at = reader.at();
  reader.skip(r.data_bytes);
  if (!reader.good() || record_class != kClassIn) return std::nullopt;
  return r;
}

std::vector<Record> read_section(Reader& reader, std::size_t count) {
  std::vector<Record> out;
  for (std::size_t i = 0; i < count && reader.good(); ++i)
    if (auto record = read_record(reader)) out.push_back(std::move(*record));
  return out;
}

/// `reader` read the data of `r`, no less and nothing of what is behind.
bool reads_whole(const Reader& reader, const Record& r) noexcept {
  return reader.good() && reader.at() == r.data_at + r.data_bytes;
}

template <std::size_t N>
std::optional<std::array<std::uint8_t, N>> octets_of(std::span<const unsigned char> bytes,
                                                     const Record& r) {
  std::array<std::uint8_t, N> out{};
  if (r.data_bytes != N) return std::nullopt;
  std::ranges::copy(bytes.subspan(r.data_at, N), out.begin());
  return out;
}

/// Records that are not what their type says are left out.
void append(DnsRecords& out, std::span<const unsigned char> bytes, const Record& r) {
  if (r.type == static_cast<std::uint16_t>(DnsType::kA)) {
    if (const auto octets = octets_of<4>(bytes, r)) out.addresses.push_back(IpAddress::v4(*octets));
  } else if (r.type == static_cast<std::uint16_t>(DnsType::kAaaa)) {
    if (const auto octets = octets_of<16>(bytes, r))
      out.addresses.push_back(IpAddress::v6(*octets));
  } else {
    Reader reader(bytes, r.data_at);
    SrvRecord srv{
        .priority = reader.u16(), .weight = reader.u16(), .port = reader.u16(), .target = {}};
    srv.target = reader.name();
    if (reads_whole(reader, r) && is_dns_name(srv.target)) out.services.push_back(std::move(srv));
  }
}

std::optional<seconds> negative_ttl(std::span<const unsigned char> bytes,
                                    const std::vector<Record>& authority) {
  for (const Record& r : authority) {
    if (r.type != kTypeSoa) continue;
    Reader reader(bytes, r.data_at);
    (void)reader.name();
    (void)reader.name();
    reader.skip(4 * sizeof(std::uint32_t));  // serial, refresh, retry, expire
    const seconds minimum = reader.ttl();
    if (reads_whole(reader, r)) return std::min(r.ttl, minimum);
  }
  return std::nullopt;
}

/// Goes from `name` to the name at the end of its chain. False: too long, or a ring.
bool follow_cnames(std::span<const unsigned char> bytes, const std::vector<Record>& answers,
                   std::string& name, seconds& ttl) {
  for (int i = 0; i <= kCnamesMax; ++i) {
    const auto cname = std::ranges::find_if(
        answers, [&](const Record& r) { return r.type == kTypeCname && r.owner == name; });
    if (cname == answers.end()) return true;
    ttl = std::min(ttl, cname->ttl);
    Reader reader(bytes, cname->data_at);
    name = reader.name();
    if (!reads_whole(reader, *cname)) return false;
  }
  return false;
}

}  // namespace

std::string_view name_of(DnsType type) noexcept {
  switch (type) {
    case DnsType::kA:
      return "A";
    case DnsType::kAaaa:
      return "AAAA";
    default:
      return "SRV";
  }
}

Result<DnsMessage> parse_dns_message(std::span<const unsigned char> bytes, DnsType type,
                                     std::size_t records_max) {
  if (bytes.size() < kHeaderBytes) return fail(Errc::kDnsFailed);
  Reader reader(bytes, 2);
  const int rcode = reader.u16() & 0x0f;
  const bool one_question = reader.u16() == 1;
  const std::size_t answer_count = reader.u16();
  const std::size_t authority_count = reader.u16();
  (void)reader.u16();
  if (!one_question || (rcode != kNoError && rcode != kNxDomain)) return fail(Errc::kDnsFailed);
  std::string name = reader.name();
  reader.skip(4);
  const std::vector<Record> answers = read_section(reader, answer_count);
  const std::vector<Record> authority = read_section(reader, authority_count);
  seconds ttl = seconds::max();
  if (!reader.good() || !follow_cnames(bytes, answers, name, ttl)) return fail(Errc::kDnsFailed);

  DnsMessage out;
  out.nxdomain = rcode == kNxDomain;
  for (const Record& r : answers) {
    if (r.type != static_cast<std::uint16_t>(type) || r.owner != name) continue;
    ttl = std::min(ttl, r.ttl);
    if (out.records.size() < records_max) append(out.records, bytes, r);
  }
  if (!out.records.empty())
    out.ttl = ttl;
  else if (const auto said = negative_ttl(bytes, authority))
    out.ttl = std::min(ttl, *said);
  return out;
}

}  // namespace millrace::net
