// What DNS said, for as long as it said, within limits. One entry per name and type; the least
// recently used one makes room.
//
// An answer with records lives on when it has expired (RFC 8767): it is served for a moment while
// it is being asked for anew, and for longer when the servers fail. Names in use are asked for
// again shortly before they expire. "There is none" is served while it is fresh, and replaces.
//
// Pure: whoever calls brings the time, so tests use virtual time. Thread rule: one thread.
#pragma once

#include "base/error.hpp"
#include "net/dns_message.hpp"
#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::net {

/// A lower-case name and what is asked about it; the text belongs to somebody else.
struct DnsKey {
  DnsType type;
  std::string_view name;
  friend auto operator<=>(const DnsKey&, const DnsKey&) noexcept = default;
};

/// Never without records: that is kDnsNotFound.
using DnsAnswer = Result<DnsRecords>;

/// What a query came to.
struct DnsOutcome {
  DnsAnswer answer;
  /// Of the records, or of their absence; nullopt: nothing was said.
  std::optional<std::chrono::seconds> ttl = std::nullopt;
  bool nxdomain = false;  ///< for kDnsNotFound: the name does not exist
};

class DnsCache {
 public:
  struct Limits {
    /// About 350 bytes each.
    std::size_t entries_max = 4096;
    /// Of one answer; what is behind is dropped.
    std::size_t addresses_max = 64;
    /// A TTL of 0 would have us ask for each connection.
    std::chrono::seconds ttl_min{1};
    /// No name is believed for longer than that, whatever its TTL.
    std::chrono::seconds ttl_max{3600};
    /// The name does not exist or has no such record, and no SOA record says for how long.
    std::chrono::milliseconds negative_ttl{5000};
    /// No SOA record is believed for longer: who has just made the name does not want to wait.
    std::chrono::seconds negative_ttl_max{60};
    /// The servers failed or were silent (RFC 9520 section 3.2 asks for a second at least).
    std::chrono::milliseconds failure_ttl{1000};
    /// For how long an expired answer is served while it is asked for anew; never longer than it
    /// was fresh.
    std::chrono::seconds stale_max{30};
    /// The same when the servers fail (RFC 8767 section 5 would allow days): at once while that was
    /// noticed within `stale_max`, else after they had their chance.
    std::chrono::seconds stale_failure_max{3600};
    /// Between two attempts to replace an answer while the servers fail.
    std::chrono::seconds refresh_retry{5};
    /// Shorter answers are not asked for before they expire.
    std::chrono::seconds refresh_ttl_min{10};
  };

  struct Entry {
    std::string name;
    DnsType type;
    DnsAnswer answer;
    bool nxdomain = false;
    TimePoint stored;
    TimePoint expiry;
    std::uint64_t hits = 0;       ///< of this name and type, as long as it has an entry
    bool refreshing = false;      ///< asked for anew
    bool refresh_failed = false;  ///< the last time, by the servers' fault
    TimePoint failed_at{};        ///< when that was noticed

    [[nodiscard]] bool stale(TimePoint now) const noexcept { return now >= expiry; }
  };

  explicit DnsCache(Limits limits) : limits_(limits) {}
  DnsCache(const DnsCache&) = delete;
  DnsCache& operator=(const DnsCache&) = delete;

  /// A hit: fresh, or stale and to be served all the same. nullptr when nothing of that kind is
  /// known. Good until the cache is changed.
  [[nodiscard]] const Entry* find(DnsKey key, TimePoint now);
  /// Should what was found be asked for anew, with nobody waiting? True once, until store().
  [[nodiscard]] bool take_refresh(DnsKey key, TimePoint now) noexcept;
  /// A stale answer for when there is nothing better: nobody answers. Marks the failure, so that
  /// from now on find() gives it at once. nullptr: none, or too old.
  [[nodiscard]] const Entry* last_resort(DnsKey key, TimePoint now) noexcept;
  /// Replaces what was there, and gives what is known now: where the servers failed that is the
  /// last resort, if there is one. Good until the cache is changed.
  const Entry& store(DnsKey key, DnsOutcome outcome, TimePoint now);
  void clear() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
  /// Most recently used first; expired ones may be among them. For the admin page.
  [[nodiscard]] const std::list<Entry>& entries() const noexcept { return entries_; }

 private:
  using Place = std::list<Entry>::iterator;
  [[nodiscard]] Duration lifetime(const DnsOutcome& outcome) const noexcept;
  [[nodiscard]] bool may_retry(const Entry& entry, TimePoint now) const noexcept;
  /// Until when `entry` is served by find().
  [[nodiscard]] TimePoint served_until(const Entry& entry) const noexcept;
  [[nodiscard]] TimePoint kept_until(const Entry& entry) const noexcept;
  void erase(Place entry) noexcept;

  const Limits limits_;
  std::list<Entry> entries_;
  // A tree, not a hash table: the names come from strangers. The keys view the entries' names.
  std::map<DnsKey, Place> index_;
};

}  // namespace millrace::net
