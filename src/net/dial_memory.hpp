// What dialling taught: which addresses connected and which did not, for ten minutes (RFC 8305
// section 3.1's history, RFC 6555 section 4.2's time). The next dial begins with one that did, so
// that a family without a route costs its delay once and not each time.
//
// Addresses are the key, with their port; a destination is known by its addresses, so names that
// share them share what was learnt.
//
// Pure: whoever calls brings the time. Thread rule: one thread.
#pragma once

#include "net/address.hpp"
#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <cstddef>
#include <list>
#include <span>
#include <unordered_map>
#include <vector>

namespace millrace::net {

class DialMemory {
 public:
  struct Limits {
    /// About 350 bytes each; the one that was heard of longest ago makes room.
    std::size_t entries_max = 1024;
    Duration lifetime = std::chrono::minutes(10);
  };

  explicit DialMemory(Limits limits) : limits_(limits) {}
  DialMemory() : DialMemory(Limits()) {}
  DialMemory(const DialMemory&) = delete;
  DialMemory& operator=(const DialMemory&) = delete;

  /// Those that connected first, then those nothing is known of, then the rest of a family of
  /// which one failed and none connected while the other family's did, at last those that failed.
  /// Within each group the order stays.
  void order(std::vector<SocketAddress>& addresses, TimePoint now);
  void won(const SocketAddress& address, TimePoint now) { note(address, Outcome::kWon, now); }
  /// Refused, unreachable, silent, or overtaken by one that was started after it.
  void failed(const SocketAddress& address, TimePoint now) { note(address, Outcome::kFailed, now); }

  void clear() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  enum class Outcome : std::uint8_t { kUnknown, kWon, kFailed };
  struct Entry {
    SocketAddress address;
    Outcome outcome;
    TimePoint noted;
  };

  void note(const SocketAddress& address, Outcome outcome, TimePoint now);
  void forget_old(TimePoint now) noexcept;
  [[nodiscard]] Outcome outcome_of(const SocketAddress& address) const noexcept;

  const Limits limits_;
  std::list<Entry> entries_;  // the latest first
  std::unordered_map<SocketAddress, std::list<Entry>::iterator> index_;
};

}  // namespace millrace::net
