// What DNS said, for as long as it said, within limits. One entry per name and family; the least
// recently used one makes room.
//
// Pure: whoever calls brings the time, so tests use virtual time. Thread rule: one thread.
#pragma once

#include "base/error.hpp"
#include "net/address.hpp"
#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <compare>
#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::net {

/// A lower-case name and what is asked about it; the text belongs to somebody else.
struct DnsKey {
  Family family;
  std::string_view name;
  friend auto operator<=>(const DnsKey&, const DnsKey&) noexcept = default;
};

/// Never an empty list: that is kDnsNotFound.
using DnsAnswer = Result<std::vector<IpAddress>>;

class DnsCache {
 public:
  struct Limits {
    /// About 300 bytes each.
    std::size_t entries_max = 4096;
    /// Of one answer; what is behind is dropped.
    std::size_t addresses_max = 64;
    /// A TTL of 0 would have us ask for each connection.
    std::chrono::seconds ttl_min{1};
    /// No name is believed for longer than that, whatever its TTL.
    std::chrono::seconds ttl_max{3600};
    /// The name does not exist, or has no address of the family. Fixed: c-ares 1.18 does not show
    /// the SOA record that would say (RFC 2308 section 5).
    std::chrono::milliseconds negative_ttl{5000};
    /// The servers failed or were silent (RFC 9520 section 3.2 asks for a second at least).
    std::chrono::milliseconds failure_ttl{1000};
  };

  struct Entry {
    std::string name;
    Family family;
    DnsAnswer answer;
    TimePoint expiry;
  };

  explicit DnsCache(Limits limits) : limits_(limits) {}
  DnsCache(const DnsCache&) = delete;
  DnsCache& operator=(const DnsCache&) = delete;

  /// nullptr when nothing is known or no longer. Good until the cache is changed.
  [[nodiscard]] const Entry* find(DnsKey key, TimePoint now);
  /// `ttl`: of an answer with addresses; one over 2^31 - 1 comes as negative and counts as 0 (RFC
  /// 2181 section 8). Replaces what was there. Good until the cache is changed.
  const Entry& store(DnsKey key, DnsAnswer answer, std::chrono::seconds ttl, TimePoint now);
  void clear() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
  /// Most recently used first; expired ones may be among them. For the admin page.
  [[nodiscard]] const std::list<Entry>& entries() const noexcept { return entries_; }

 private:
  [[nodiscard]] Duration lifetime(const DnsAnswer& answer, std::chrono::seconds ttl) const noexcept;
  void erase(std::list<Entry>::iterator entry) noexcept;

  const Limits limits_;
  std::list<Entry> entries_;
  // A tree, not a hash table: the names come from strangers. The keys view the entries' names.
  std::map<DnsKey, std::list<Entry>::iterator> index_;
};

}  // namespace millrace::net
