#include "net/dns_cache.hpp"

#include <algorithm>
#include <utility>

namespace millrace::net {

const DnsCache::Entry* DnsCache::find(DnsKey key, TimePoint now) {
  const auto it = index_.find(key);
  if (it == index_.end()) return nullptr;
  const auto entry = it->second;
  if (now >= entry->expiry) {
    erase(entry);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return &*entry;
}

const DnsCache::Entry& DnsCache::store(DnsKey key, DnsAnswer answer, std::chrono::seconds ttl,
                                       TimePoint now) {
  if (const auto it = index_.find(key); it != index_.end()) erase(it->second);
  while (!entries_.empty() && entries_.size() >= limits_.entries_max)
    erase(std::prev(entries_.end()));
  if (answer && answer->size() > limits_.addresses_max) answer->resize(limits_.addresses_max);
  const TimePoint expiry = now + lifetime(answer, ttl);
  entries_.push_front({std::string(key.name), key.family, std::move(answer), expiry});
  index_.emplace(DnsKey{key.family, entries_.front().name}, entries_.begin());
  return entries_.front();
}

void DnsCache::clear() noexcept {
  index_.clear();
  entries_.clear();
}

Duration DnsCache::lifetime(const DnsAnswer& answer, std::chrono::seconds ttl) const noexcept {
  if (answer) return std::clamp(ttl, limits_.ttl_min, limits_.ttl_max);
  return answer.error().is(Errc::kDnsNotFound) ? limits_.negative_ttl : limits_.failure_ttl;
}

void DnsCache::erase(std::list<Entry>::iterator entry) noexcept {
  index_.erase({entry->family, entry->name});
  entries_.erase(entry);
}

}  // namespace millrace::net
