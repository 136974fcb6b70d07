#include "net/dial_memory.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::net {

namespace {

constexpr int kRankMax = 3;

}  // namespace

void DialMemory::order(std::vector<SocketAddress>& addresses, TimePoint now) {
  if (addresses.size() < 2) return;
  forget_old(now);
  struct FamilyHistory {
    bool won = false, failed = false;
  };
  std::array<FamilyHistory, 2> families;
  const auto family_of = [](const SocketAddress& a) -> std::size_t {
    return !a.is_unix() && a.ip().is_v6() ? 1 : 0;
  };
  for (const SocketAddress& a : addresses) {
    const Outcome outcome = outcome_of(a);
    families[family_of(a)].won |= outcome == Outcome::kWon;
    families[family_of(a)].failed |= outcome == Outcome::kFailed;
  }
  const auto rank = [&](const SocketAddress& a) {
    const Outcome outcome = outcome_of(a);
    if (outcome == Outcome::kWon) return 0;
    if (outcome == Outcome::kFailed) return kRankMax;
    const FamilyHistory& own = families[family_of(a)];
    return own.failed && !own.won && families[1 - family_of(a)].won ? 2 : 1;
  };
  std::vector<SocketAddress> ordered;
  ordered.reserve(addresses.size());
  for (int wanted = 0; wanted <= kRankMax; ++wanted)
    for (const SocketAddress& a : addresses)
      if (rank(a) == wanted) ordered.push_back(a);
  addresses = std::move(ordered);
}

void DialMemory::clear() noexcept {
  index_.clear();
  entries_.clear();
}

void DialMemory::note(const SocketAddress& address, Outcome outcome, TimePoint now) {
  if (const auto it = index_.find(address); it != index_.end()) {
    entries_.splice(entries_.begin(), entries_, it->second);
    entries_.front().outcome = outcome;
    entries_.front().noted = now;
    return;
  }
  forget_old(now);
  if (entries_.size() >= limits_.entries_max) {
    index_.erase(entries_.back().address);
    entries_.pop_back();
  }
  entries_.push_front({address, outcome, now});
  index_.emplace(address, entries_.begin());
}

void DialMemory::forget_old(TimePoint now) noexcept {
  while (!entries_.empty() && now - entries_.back().noted >= limits_.lifetime) {
    index_.erase(entries_.back().address);
    entries_.pop_back();
  }
}

DialMemory::Outcome DialMemory::outcome_of(const SocketAddress& address) const noexcept {
  const auto it = index_.find(address);
  return it == index_.end() ? Outcome::kUnknown : it->second->outcome;
}

}  // namespace millrace::net
