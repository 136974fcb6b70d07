#include "net/resolver.hpp"

#include "base/metrics.hpp"
#include "net/cares_channel.hpp"
#include "net/resolver_lookup.hpp"
#include "net/text_file.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace millrace::net {

namespace {

constexpr int kTries = 3;
// The tries of one server last 1 + 2 + 4 times the first.
constexpr int kTryTimeoutsPerDeadline = (1 << kTries) - 1;
constexpr std::chrono::milliseconds kTryTimeoutMin{20};
constexpr auto kRebuildInterval = std::chrono::seconds(1);
constexpr std::size_t kResolvConfBytesMax = std::size_t{64} * 1024;

bool is_localhost(std::string_view name) noexcept {
  return name == "localhost" || name.ends_with(".localhost");
}

bool wanted(Family family, std::optional<Family> only) noexcept {
  return !only || *only == family;
}

/// From the same machine: no expiry of their own.
std::optional<Result<Addresses>> only_wanted(std::vector<IpAddress> list,
                                             std::optional<Family> family, TimePoint expiry) {
  std::erase_if(list, [&](const IpAddress& a) { return !wanted(a.family(), family); });
  if (list.empty()) return std::nullopt;
  return Addresses{std::move(list), expiry, DnsSource::kHosts};
}

}  // namespace

std::string_view name_of(DnsSource source) noexcept {
  static constexpr std::array<std::string_view, 5> kNames{"literal", "hosts", "cache", "dns",
                                                          "stale"};
  return kNames[static_cast<std::size_t>(source)];
}

Resolver::Resolver(Options options)
    : options_(std::move(options)),
      cache_(options_.cache),
      hosts_(options_.hosts_file),
      resolv_conf_(options_.resolv_conf),
      search_(options_.search.value_or(SearchList())) {}

Resolver::~Resolver() {
  assert(std::ranges::all_of(flights_, [](const auto& f) { return f.second->waiting.empty(); }) &&
         "a Resolver outlives its lookups");
}

Task<Result<Addresses>> Resolver::resolve(std::string_view host, std::optional<Family> family) {
  if (const auto literal = IpAddress::parse(host)) {
    if (!wanted(literal->family(), family)) co_return fail(Errc::kDnsNotFound);
    co_return Addresses{{*literal}};
  }
  const std::optional<std::string> name = normalize_dns_name(host);
  if (!name) co_return fail(Errc::kDnsNotFound);
  const TimePoint began = Clock::now();
  if (auto known = from_this_machine(without_final_dot(*name), family, began))
    co_return std::move(*known);

  follow_resolv_conf(began);
  for (const std::string& candidate : search_.candidates(*name)) {
    Lookup lookup(*this, began + options_.deadline);
    for (const Family f : {Family::kV6, Family::kV4})
      if (wanted(f, family)) ask(lookup, {type_of(f), candidate}, Clock::now());
    pump();
    const Result<void> found = co_await lookup;
    if (found) co_return lookup.addresses();
    if (!found.error().is(Errc::kDnsNotFound)) co_return fail(found.error());
  }
  co_return fail(Errc::kDnsNotFound);
}

Task<Result<SrvRecords>> Resolver::resolve_srv(std::string_view service) {
  const std::optional<std::string> name = normalize_dns_name(service);
  if (!name) co_return fail(Errc::kDnsNotFound);
  const TimePoint began = Clock::now();
  follow_resolv_conf(began);
  for (const std::string& candidate : search_.candidates(*name)) {
    Lookup lookup(*this, began + options_.deadline);
    ask(lookup, {DnsType::kSrv, candidate}, Clock::now());
    pump();
    const Result<void> found = co_await lookup;
    if (found) co_return lookup.services();
    if (!found.error().is(Errc::kDnsNotFound)) co_return fail(found.error());
  }
  co_return fail(Errc::kDnsNotFound);
}

Resolver::Stats Resolver::stats() const noexcept {
  Stats out = stats_;
  out.entries = cache_.size();
  out.in_flight = in_flight_;
  out.queued = queue_.size();
  return out;
}

std::optional<Result<Addresses>> Resolver::from_this_machine(std::string_view name,
                                                             std::optional<Family> family,
                                                             TimePoint now) {
  // IPv4 first: that is where most development servers listen.
  if (is_localhost(name))
    return only_wanted({IpAddress::loopback(Family::kV4), IpAddress::loopback(Family::kV6)}, family,
                       TimePoint::max());
  if (const auto* list = hosts_.find(name, now))
    return only_wanted(*list, family, now + FileStamp::kCheckInterval);
  return std::nullopt;
}

void Resolver::follow_resolv_conf(TimePoint now) {
  if (!options_.servers.empty() || !resolv_conf_.changed(now)) return;
  if (!options_.search)
    search_ = parse_search_list(read_text_file(options_.resolv_conf, kResolvConfBytesMax));
  if (!channel_) return;
  rebuild_wanted_ = true;
  cache_.clear();
}

void Resolver::ask(Lookup& lookup, DnsKey key, TimePoint now) {
  if (const DnsCache::Entry* entry = cache_.find(key, now)) {
    ++stats_.hits;
    metrics::add(metrics::Metric::kDnsCacheHits);
    const bool stale = entry->stale(now);
    if (stale) ++stats_.stale;
    lookup.answer(key.type, entry->answer, stale ? now + cache_.limits().ttl_min : entry->expiry,
                  stale ? DnsSource::kStale : DnsSource::kCache);
    return refresh(key, now);
  }
  ++stats_.misses;
  if (flights_.find(key) == flights_.end() && queue_full())
    return lookup.answer(key.type, fail(Errc::kQueueFull), now, DnsSource::kDns);
  lookup.join(flight_for(key));
}

Resolver::Flight& Resolver::flight_for(DnsKey key) {
  if (const auto it = flights_.find(key); it != flights_.end()) return *it->second;
  auto flight = std::make_unique<Flight>(*this, key);
  Flight& made = *flight;
  queue_.push_back(&made);
  flights_.emplace(made.key(), std::move(flight));
  return made;
}

void Resolver::refresh(DnsKey key, TimePoint now) {
  if (queue_full() || !cache_.take_refresh(key, now)) return;
  ++stats_.refreshes;
  flight_for(key).background = true;
}

void Resolver::pump() {
  while (!queue_.empty() && in_flight_ < options_.in_flight_max) {
    Flight& flight = *queue_.front();
    queue_.pop_front();
    send(flight);
  }
}

void Resolver::send(Flight& flight) {
  flight.sent = true;
  ++in_flight_;
  ++stats_.queries;
  metrics::add(metrics::Metric::kDnsQueries);
  if (CaresChannel* channel = usable_channel(Clock::now()))
    channel->query(flight.name, flight.type, flight);  // may have finished it
  else
    flight.query_done({.answer = fail(Errc::kDnsFailed)});
}

CaresChannel* Resolver::usable_channel(TimePoint now) {
  if (retired_ && retired_->idle()) retired_.reset();
  if (channel_ && (rebuild_wanted_ || channel_->suspect()) && !retired_ && now >= next_rebuild_) {
    rebuild_wanted_ = false;
    next_rebuild_ = now + kRebuildInterval;
    retired_ = std::move(channel_);
  }
  if (!channel_) {
    const auto try_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(
        options_.deadline / kTryTimeoutsPerDeadline);
    auto opened = CaresChannel::open({.servers = options_.servers,
                                      .resolv_conf = options_.resolv_conf,
                                      .try_timeout = std::max(try_timeout, kTryTimeoutMin),
                                      .tries = kTries,
                                      .records_max = options_.cache.addresses_max});
    if (opened) {
      ++stats_.channels;
      channel_ = std::move(*opened);
    }
  }
  return channel_.get();
}

void Resolver::finish(Flight& flight, DnsOutcome outcome) noexcept {
  const bool failed = !outcome.answer && !outcome.answer.error().is(Errc::kDnsNotFound);
  if (failed) {
    ++stats_.failures;
    metrics::add(metrics::Metric::kDnsErrors);
  }
  const TimePoint now = Clock::now();
  const DnsCache::Entry& entry = cache_.store(flight.key(), std::move(outcome), now);
  const bool stale = failed && entry.answer && entry.stale(now);
  const TimePoint expiry = stale ? now + cache_.limits().ttl_min : entry.expiry;
  while (!flight.waiting.empty()) {
    Slot& slot = flight.waiting.front();
    flight.waiting.pop_front();
    if (stale) ++stats_.stale;
    slot.lookup->answer(flight.type, entry.answer, expiry,
                        stale ? DnsSource::kStale : DnsSource::kDns);
  }
  flights_.erase(flight.key());
  pump();
}

void Resolver::abandon(Flight& flight) noexcept {
  if (flight.sent || flight.background) return;  // its answer will be good for the cache
  std::erase(queue_, &flight);
  flights_.erase(flight.key());
}

}  // namespace millrace::net
