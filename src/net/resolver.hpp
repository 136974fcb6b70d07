// Names to addresses, without ever blocking the io thread: one resolver per io thread, over c-ares.
//
// In this order: literals; `localhost` and `*.localhost`, which never leave the machine (RFC 6761
// section 6.3: 127.0.0.1, then ::1); the hosts file, in a map of our own; the cache; DNS. Names
// whose last label is a number are refused, so that 127.1 or 0x7f.1 never means an address to
// anybody. Names without a final dot are completed by the search list of resolv.conf(5): the next
// candidate is tried when neither family is there, not when the servers fail.
//
// A and AAAA are asked apart and at once. The answer is complete when both families answered, or 50
// ms after the first that has addresses (the resolution delay of RFC 8305 section 3); the late one
// still fills the cache. The list alternates between the families, IPv6 first (RFC 8305 section 4).
//
// Any number of lookups of one name share one query per type; a caller that goes away leaves the
// query to the others. Answers live as long as their shortest TTL, CNAMEs included, within limits;
// so does their absence, by the SOA record (RFC 2308). Names in use are asked for anew shortly
// before they expire, and expired answers are served for a moment meanwhile, or for an hour when
// the servers fail (RFC 8767): see dns_cache. Failures live shortly, so that a dead server is not
// asked for each request.
//
// Ownership: outlives its lookups (asserted). Thread rule: one io thread, except that it may be
// made and destroyed while that thread does not run.
#pragma once

#include "base/error.hpp"
#include "net/address.hpp"
#include "net/dns_cache.hpp"
#include "net/dns_name.hpp"
#include "net/hosts_file.hpp"
#include "runtime/task.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::net {

class CaresChannel;

/// Where an answer came from. Of two families' answers the greater one is told.
enum class DnsSource : std::uint8_t {
  kLiteral,
  kHosts,  ///< the hosts file, or localhost
  kCache,
  kDns,    ///< asked for this lookup, or for another at the same time
  kStale,  ///< expired: see DnsCache
};
/// "literal", "hosts", "cache", "dns", "stale".
[[nodiscard]] std::string_view name_of(DnsSource source) noexcept;

/// The addresses of a name, in the order in which to try them. Never empty.
struct Addresses {
  std::vector<IpAddress> list;
  /// Ask again after that; TimePoint::max() for literals and localhost.
  TimePoint expiry = TimePoint::max();
  DnsSource source = DnsSource::kLiteral;
};

/// The servers of a service as DNS has them: see order_srv. Never empty.
struct SrvRecords {
  std::vector<SrvRecord> list;
  TimePoint expiry = TimePoint::max();
  DnsSource source = DnsSource::kDns;
};

class Resolver {
 public:
  struct Options {
    /// DNS servers instead of resolv.conf's, as "192.0.2.1:53,[2001:db8::1]:53". resolv.conf is not
    /// read then.
    std::string servers;
    std::string resolv_conf = "/etc/resolv.conf";
    std::string hosts_file = "/etc/hosts";
    /// Instead of resolv.conf's.
    std::optional<SearchList> search;
    /// How long one lookup may take, the search list included; then kDnsTimeout.
    Duration deadline = std::chrono::seconds(5);
    /// How long the slower family is waited for once the faster one has addresses.
    Duration resolution_delay = std::chrono::milliseconds(50);
    /// Queries sent and not answered; the rest queues.
    std::size_t in_flight_max = 64;
    /// Queries queued for those; over that kQueueFull.
    std::size_t queue_max = 1024;
    DnsCache::Limits cache;
  };

  struct Stats {
    /// Per name and type.
    std::uint64_t hits = 0, misses = 0;
    /// Of the hits: expired answers.
    std::uint64_t stale = 0;
    /// Sent to DNS (a retry to the same or another server is not counted), and those that failed.
    std::uint64_t queries = 0, failures = 0;
    /// Of the queries: those that nobody waited for when they were begun.
    std::uint64_t refreshes = 0;
    /// c-ares channels opened: each after the first replaced one whose servers failed or changed.
    std::uint64_t channels = 0;
    std::size_t entries = 0, in_flight = 0, queued = 0;
  };

  explicit Resolver(Options options);
  Resolver() : Resolver(Options()) {}
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  /// `host`: a name or a literal, IPv6 without brackets; need only live until the task first
  /// suspends. `family`: only that one; both by default. Errors: kDnsNotFound (no such name, or it
  /// has no address), kDnsTimeout, kDnsFailed, kQueueFull, the scope's.
  [[nodiscard]] Task<Result<Addresses>> resolve(std::string_view host,
                                                std::optional<Family> family = std::nullopt);

  /// The servers of a service (RFC 2782), `service` as "_http._tcp.example.com". Cached and shared
  /// as addresses are, and with the same errors; kDnsNotFound also for a service that says it is
  /// not there (the target ".").
  [[nodiscard]] Task<Result<SrvRecords>> resolve_srv(std::string_view service);

  /// Forgets every cached answer.
  void flush() noexcept { cache_.clear(); }
  [[nodiscard]] Stats stats() const noexcept;
  [[nodiscard]] const DnsCache& cache() const noexcept { return cache_; }

 private:
  class Lookup;
  struct Flight;
  struct Slot;

  [[nodiscard]] std::optional<Result<Addresses>> from_this_machine(std::string_view name,
                                                                   std::optional<Family> family,
                                                                   TimePoint now);
  /// Looks at resolv.conf, once a second at most.
  void follow_resolv_conf(TimePoint now);
  void ask(Lookup& lookup, DnsKey key, TimePoint now);
  [[nodiscard]] bool queue_full() const noexcept {
    return in_flight_ + queue_.size() >= options_.in_flight_max + options_.queue_max;
  }
  /// The query for `key`, queued if there was none.
  Flight& flight_for(DnsKey key);
  void refresh(DnsKey key, TimePoint now);
  /// Sends what is queued, as far as in_flight_max allows.
  void pump();
  void send(Flight& flight);
  [[nodiscard]] CaresChannel* usable_channel(TimePoint now);
  void finish(Flight& flight, DnsOutcome outcome) noexcept;
  /// Nobody waits for this flight any more.
  void abandon(Flight& flight) noexcept;

  const Options options_;
  DnsCache cache_;
  HostsFile hosts_;
  FileStamp resolv_conf_;
  SearchList search_;
  Stats stats_;
  // The keys view the flights' names.
  std::map<DnsKey, std::unique_ptr<Flight>> flights_;
  std::deque<Flight*> queue_;
  std::size_t in_flight_ = 0;
  std::unique_ptr<CaresChannel> channel_;
  // Answers its last queries; destroyed when idle.
  std::unique_ptr<CaresChannel> retired_;
  bool rebuild_wanted_ = false;
  TimePoint next_rebuild_ = TimePoint::min();
};

}  // namespace millrace::net
