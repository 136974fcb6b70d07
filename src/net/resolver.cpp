#include "net/resolver.hpp"

#include "base/metrics.hpp"
#include "net/cares_channel.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include <boost/intrusive/list.hpp>

namespace millrace::net {

namespace {

constexpr std::size_t kNameBytesMax = 253;  // RFC 1035 section 2.3.4
constexpr std::size_t kLabelBytesMax = 63;
constexpr int kTries = 3;
// The tries of one server last 1 + 2 + 4 times the first.
constexpr int kTryTimeoutsPerDeadline = (1 << kTries) - 1;
constexpr std::chrono::milliseconds kTryTimeoutMin{20};
constexpr auto kRebuildInterval = std::chrono::seconds(1);

std::string_view without_root(std::string_view name) noexcept {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

bool is_good_label(std::string_view label) noexcept {
  // The underscore is in no host name, and in many a container's.
  return !label.empty() && label.size() <= kLabelBytesMax && std::ranges::all_of(label, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

/// What a lenient parser would take for the end of an IPv4 address: digits, or 0x and hexadecimal
/// ones.
bool is_number(std::string_view label) noexcept {
  const bool hexadecimal = label.starts_with("0x");
  if (hexadecimal) label.remove_prefix(2);
  return std::ranges::all_of(label, [&](char c) {
    return (c >= '0' && c <= '9') || (hexadecimal && c >= 'a' && c <= 'f');
  });
}

/// In lower case, a final dot kept: it tells DNS not to use the search list.
std::optional<std::string> normalize(std::string_view host) {
  if (without_root(host).size() > kNameBytesMax) return std::nullopt;
  std::string name(host);
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  std::string_view rest = without_root(name);
  for (;;) {
    const std::size_t dot = rest.find('.');
    if (!is_good_label(rest.substr(0, dot))) return std::nullopt;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (is_number(rest)) return std::nullopt;
  return name;
}

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
  return Addresses{std::move(list), expiry};
}

std::vector<IpAddress> alternate(const std::vector<IpAddress>& first,
                                 const std::vector<IpAddress>& second) {
  std::vector<IpAddress> out;
  out.reserve(first.size() + second.size());
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  return out;
}

}  // namespace

/// One family's part of a lookup: not asked for, waiting on a flight, or answered.
struct Resolver::Slot
    : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  Lookup* lookup = nullptr;
  Flight* flight = nullptr;  // set while waiting
  std::optional<DnsAnswer> answer;
  TimePoint expiry = TimePoint::max();

  [[nodiscard]] bool usable() const noexcept { return answer && answer->has_value(); }
};

/// One query, and the lookups that share it.
struct Resolver::Flight final : DnsQuery {
  Flight(Resolver& r, DnsKey key) : resolver(r), name(key.name), family(key.family) {}
  [[nodiscard]] DnsKey key() const noexcept { return {family, name}; }
  void query_done(DnsAnswer answer, std::chrono::seconds ttl) noexcept override {
    --resolver.in_flight_;
    resolver.finish(*this, std::move(answer), ttl);
  }

  Resolver& resolver;
  const std::string name;
  const Family family;
  bool sent = false;
  boost::intrusive::list<Slot, boost::intrusive::constant_time_size<false>> waiting;
};

/// The awaiter of resolve(): both families' answers, or one and the resolution delay, or the
/// deadline.
class Resolver::Lookup final : public Waiter, TimerEntry {
 public:
  Lookup(Resolver& resolver, TimePoint now)
      : resolver_(resolver), deadline_(now + resolver.options_.deadline) {
    for (Slot& slot : slots_) slot.lookup = this;
  }
  ~Lookup() { leave(); }

  void join(Flight& flight) noexcept {
    Slot& s = slot(flight.family);
    s.flight = &flight;
    flight.waiting.push_back(s);
  }
  void answer(Family family, const DnsAnswer& answer, TimePoint expiry);

  bool await_ready() const noexcept { return settled(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    if (!suspend(h)) return false;
    suspended_ = true;
    IoThread::current().arm(*this, usable() ? soon() : deadline_);
    return true;
  }
  [[nodiscard]] Result<Addresses> await_resume();

 private:
  [[nodiscard]] Slot& slot(Family f) noexcept { return slots_[static_cast<std::size_t>(f)]; }
  [[nodiscard]] bool settled() const noexcept {
    return std::ranges::all_of(slots_, [](const Slot& s) { return s.flight == nullptr; });
  }
  [[nodiscard]] bool usable() const noexcept {
    return std::ranges::any_of(slots_, [](const Slot& s) { return s.usable(); });
  }
  [[nodiscard]] TimePoint soon() const noexcept {
    return std::min(deadline_, Clock::now() + resolver_.options_.resolution_delay);
  }
  [[nodiscard]] Error failure() const noexcept;

  /// Gives up what is still waited for.
  void leave() noexcept;
  void detach() noexcept override {
    IoThread::current().disarm(*this);
    leave();
  }
  void expired() noexcept override {
    suspended_ = false;
    wake();
  }

  Resolver& resolver_;
  const TimePoint deadline_;
  std::array<Slot, 2> slots_;
  bool suspended_ = false;
};

void Resolver::Lookup::answer(Family family, const DnsAnswer& answer, TimePoint expiry) {
  Slot& s = slot(family);
  s.flight = nullptr;
  s.answer = answer;
  s.expiry = expiry;
  if (!suspended_) return;
  if (!settled()) {
    if (s.usable()) IoThread::current().arm(*this, soon());
    return;
  }
  IoThread::current().disarm(*this);
  suspended_ = false;
  wake();
}

Result<Addresses> Resolver::Lookup::await_resume() {
  if (was_cancelled()) return fail(cancel_reason());
  if (!usable()) return fail(failure());
  static const std::vector<IpAddress> kNone;
  Addresses out;
  for (const Slot& s : slots_)
    if (s.usable()) out.expiry = std::min(out.expiry, s.expiry);
  const Slot& v6 = slot(Family::kV6);
  const Slot& v4 = slot(Family::kV4);
  out.list = alternate(v6.usable() ? **v6.answer : kNone, v4.usable() ? **v4.answer : kNone);
  return out;
}

Error Resolver::Lookup::failure() const noexcept {
  // "There is none" only when nobody said otherwise.
  Error error = Errc::kDnsNotFound;
  for (const Slot& s : slots_) {
    if (s.flight != nullptr) return Errc::kDnsTimeout;
    if (s.answer && !s.answer->error().is(Errc::kDnsNotFound)) error = s.answer->error();
  }
  return error;
}

void Resolver::Lookup::leave() noexcept {
  for (Slot& s : slots_) {
    Flight* flight = std::exchange(s.flight, nullptr);
    if (flight == nullptr) continue;
    s.unlink();
    if (flight->waiting.empty()) resolver_.abandon(*flight);
  }
}

Resolver::Resolver(Options options)
    : options_(std::move(options)),
      cache_(options_.cache),
      hosts_(options_.hosts_file),
      resolv_conf_(options_.resolv_conf) {}

Resolver::~Resolver() {
  assert(std::ranges::all_of(flights_, [](const auto& f) { return f.second->waiting.empty(); }) &&
         "a Resolver outlives its lookups");
}

Task<Result<Addresses>> Resolver::resolve(std::string_view host, std::optional<Family> family) {
  if (const auto literal = IpAddress::parse(host)) {
    if (!wanted(literal->family(), family)) co_return fail(Errc::kDnsNotFound);
    co_return Addresses{{*literal}};
  }
  const std::optional<std::string> name = normalize(host);
  if (!name) co_return fail(Errc::kDnsNotFound);
  const TimePoint now = Clock::now();
  if (auto known = from_this_machine(without_root(*name), family, now)) co_return std::move(*known);

  Lookup lookup(*this, now);
  for (const Family f : {Family::kV6, Family::kV4})
    if (wanted(f, family)) ask(lookup, {f, *name}, now);
  pump();
  co_return co_await lookup;
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

void Resolver::ask(Lookup& lookup, DnsKey key, TimePoint now) {
  if (const DnsCache::Entry* entry = cache_.find(key, now)) {
    ++stats_.hits;
    metrics::add(metrics::Metric::kDnsCacheHits);
    lookup.answer(key.family, entry->answer, entry->expiry);
    return;
  }
  ++stats_.misses;
  auto it = flights_.find(key);
  if (it == flights_.end()) {
    if (in_flight_ + queue_.size() >= options_.in_flight_max + options_.queue_max) {
      lookup.answer(key.family, fail(Errc::kQueueFull), now);
      return;
    }
    auto flight = std::make_unique<Flight>(*this, key);
    queue_.push_back(flight.get());
    const DnsKey own_key = flight->key();
    it = flights_.emplace(own_key, std::move(flight)).first;
  }
  lookup.join(*it->second);
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
    channel->query(flight.name, flight.family, flight);  // may have finished it
  else
    flight.query_done(fail(Errc::kDnsFailed), {});
}

CaresChannel* Resolver::usable_channel(TimePoint now) {
  if (retired_ && retired_->idle()) retired_.reset();
  if (options_.servers.empty() && resolv_conf_.changed(now) && channel_) {
    rebuild_wanted_ = true;
    cache_.clear();
  }
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
                                      .addresses_max = options_.cache.addresses_max});
    if (opened) {
      ++stats_.channels;
      channel_ = std::move(*opened);
    }
  }
  return channel_.get();
}

void Resolver::finish(Flight& flight, DnsAnswer answer, std::chrono::seconds ttl) noexcept {
  if (!answer && !answer.error().is(Errc::kDnsNotFound)) {
    ++stats_.failures;
    metrics::add(metrics::Metric::kDnsErrors);
  }
  const DnsCache::Entry& entry = cache_.store(flight.key(), std::move(answer), ttl, Clock::now());
  while (!flight.waiting.empty()) {
    Slot& slot = flight.waiting.front();
    flight.waiting.pop_front();
    slot.lookup->answer(flight.family, entry.answer, entry.expiry);
  }
  flights_.erase(flight.key());
  pump();
}

void Resolver::abandon(Flight& flight) noexcept {
  if (flight.sent) return;  // its answer will be good for the cache
  std::erase(queue_, &flight);
  flights_.erase(flight.key());
}

}  // namespace millrace::net
