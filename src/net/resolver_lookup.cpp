#include "net/resolver_lookup.hpp"

#include <algorithm>
#include <utility>

namespace millrace::net {

namespace {

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

bool Resolver::Lookup::settled() const noexcept {
  return std::ranges::all_of(slots_, [](const Slot& s) { return s.flight == nullptr; });
}

bool Resolver::Lookup::usable() const noexcept {
  return std::ranges::any_of(slots_, [](const Slot& s) { return s.usable(); });
}

void Resolver::Lookup::answer(DnsType type, const DnsAnswer& answer, TimePoint expiry,
                              DnsSource source) {
  Slot& s = slot(type);
  s.flight = nullptr;
  s.answer = answer;
  s.expiry = expiry;
  s.source = source;
  if (!suspended_) return;
  if (!settled()) {
    if (s.usable()) IoThread::current().arm(*this, soon());
    return;
  }
  IoThread::current().disarm(*this);
  suspended_ = false;
  wake();
}

Result<void> Resolver::Lookup::await_resume() {
  if (was_cancelled()) return fail(cancel_reason());
  if (!usable()) take_last_resort();
  if (!usable()) return fail(failure());
  return {};
}

void Resolver::Lookup::take_last_resort() {
  const TimePoint now = Clock::now();
  for (Slot& s : slots_) {
    if (s.flight == nullptr) continue;
    const DnsCache::Entry* entry = resolver_.cache_.last_resort(s.flight->key(), now);
    if (entry == nullptr) continue;
    s.answer = entry->answer;
    s.expiry = now + resolver_.cache_.limits().ttl_min;
    s.source = DnsSource::kStale;
    ++resolver_.stats_.stale;
  }
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

DnsRecords* Resolver::Lookup::take(DnsType type, TimePoint& expiry, DnsSource& source) noexcept {
  Slot& s = slot(type);
  if (!s.usable()) return nullptr;
  expiry = std::min(expiry, s.expiry);
  source = std::max(source, s.source);
  return &**s.answer;
}

Addresses Resolver::Lookup::addresses() {
  static const std::vector<IpAddress> kNone;
  Addresses out;
  const DnsRecords* v6 = take(DnsType::kAaaa, out.expiry, out.source);
  const DnsRecords* v4 = take(DnsType::kA, out.expiry, out.source);
  out.list =
      alternate(v6 != nullptr ? v6->addresses : kNone, v4 != nullptr ? v4->addresses : kNone);
  return out;
}

SrvRecords Resolver::Lookup::services() {
  SrvRecords out{.list = {}, .source = DnsSource::kLiteral};
  if (DnsRecords* records = take(DnsType::kSrv, out.expiry, out.source))
    out.list = std::move(records->services);
  return out;
}

void Resolver::Lookup::leave() noexcept {
  for (Slot& s : slots_) {
    Flight* flight = std::exchange(s.flight, nullptr);
    if (flight == nullptr) continue;
    s.unlink();
    if (flight->waiting.empty()) resolver_.abandon(*flight);
  }
}

}  // namespace millrace::net
