#include "net/dns_cache.hpp"

#include <algorithm>
#include <utility>

namespace millrace::net {

namespace {

/// A name in use is asked for anew in the last tenth of its life.
constexpr int kRefreshPart = 10;

bool is_failure(const DnsAnswer& answer) noexcept {
  return !answer && !answer.error().is(Errc::kDnsNotFound);
}

}  // namespace

const DnsCache::Entry* DnsCache::find(DnsKey key, TimePoint now) {
  const auto it = index_.find(key);
  if (it == index_.end()) return nullptr;
  const Place entry = it->second;
  if (now >= served_until(*entry)) {
    if (now >= kept_until(*entry)) erase(entry);
    return nullptr;
  }
  ++entry->hits;
  entries_.splice(entries_.begin(), entries_, entry);
  return &*entry;
}

bool DnsCache::take_refresh(DnsKey key, TimePoint now) noexcept {
  const auto it = index_.find(key);
  if (it == index_.end()) return false;
  Entry& entry = *it->second;
  if (entry.refreshing || !entry.answer || !may_retry(entry, now)) return false;
  const Duration life = entry.expiry - entry.stored;
  if (!entry.stale(now) &&
      (life < limits_.refresh_ttl_min || now < entry.expiry - life / kRefreshPart))
    return false;
  entry.refreshing = true;
  return true;
}

const DnsCache::Entry* DnsCache::last_resort(DnsKey key, TimePoint now) noexcept {
  const auto it = index_.find(key);
  if (it == index_.end()) return nullptr;
  Entry& entry = *it->second;
  if (!entry.answer || now >= kept_until(entry)) return nullptr;
  entry.refresh_failed = true;
  entry.failed_at = now;
  return &entry;
}

const DnsCache::Entry& DnsCache::store(DnsKey key, DnsOutcome outcome, TimePoint now) {
  std::uint64_t hits = 0;
  if (const auto it = index_.find(key); it != index_.end()) {
    it->second->refreshing = false;
    if (is_failure(outcome.answer))
      if (const Entry* stale = last_resort(key, now)) return *stale;
    hits = it->second->hits;
    erase(it->second);
  }
  while (!entries_.empty() && entries_.size() >= limits_.entries_max)
    erase(std::prev(entries_.end()));
  const TimePoint expiry = now + lifetime(outcome);
  if (outcome.answer && outcome.answer->addresses.size() > limits_.addresses_max)
    outcome.answer->addresses.resize(limits_.addresses_max);
  if (outcome.answer && outcome.answer->services.size() > limits_.addresses_max)
    outcome.answer->services.resize(limits_.addresses_max);
  entries_.push_front({.name = std::string(key.name),
                       .type = key.type,
                       .answer = std::move(outcome.answer),
                       .nxdomain = outcome.nxdomain,
                       .stored = now,
                       .expiry = expiry,
                       .hits = hits});
  index_.emplace(DnsKey{key.type, entries_.front().name}, entries_.begin());
  return entries_.front();
}

void DnsCache::clear() noexcept {
  index_.clear();
  entries_.clear();
}

Duration DnsCache::lifetime(const DnsOutcome& outcome) const noexcept {
  using std::chrono::seconds;
  if (outcome.answer)
    return std::clamp(outcome.ttl.value_or(seconds(0)), limits_.ttl_min, limits_.ttl_max);
  if (is_failure(outcome.answer)) return limits_.failure_ttl;
  if (!outcome.ttl) return limits_.negative_ttl;
  return std::clamp(*outcome.ttl, limits_.ttl_min, limits_.negative_ttl_max);
}

bool DnsCache::may_retry(const Entry& entry, TimePoint now) const noexcept {
  return !entry.refresh_failed || now >= entry.failed_at + limits_.refresh_retry;
}

TimePoint DnsCache::served_until(const Entry& entry) const noexcept {
  if (!entry.answer) return entry.expiry;
  if (entry.refresh_failed)
    return std::min(kept_until(entry), std::max(entry.expiry, entry.failed_at + limits_.stale_max));
  return entry.expiry + std::min<Duration>(limits_.stale_max, entry.expiry - entry.stored);
}

TimePoint DnsCache::kept_until(const Entry& entry) const noexcept {
  return entry.answer ? entry.expiry + limits_.stale_failure_max : entry.expiry;
}

void DnsCache::erase(Place entry) noexcept {
  index_.erase({entry->type, entry->name});
  entries_.erase(entry);
}

}  // namespace millrace::net
