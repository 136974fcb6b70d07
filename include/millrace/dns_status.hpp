// What the io threads know of names, for the admin address.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// One name and type in one thread's cache.
struct DnsEntryStatus {
  unsigned thread = 0;
  std::string name;
  std::string_view type;             ///< "A", "AAAA", "SRV"
  std::vector<std::string> records;  ///< addresses, or "priority weight port target"
  std::string_view state;            ///< "fresh", "stale", "negative", "failed"
  std::chrono::milliseconds ttl{0};  ///< what is left of it; below 0 since it expired
  bool nxdomain = false;             ///< for "negative": no record of any type
  bool refreshing = false;           ///< asked for anew at this moment
  std::uint64_t hits = 0;
};

struct DnsStatus {
  /// Rows of all threads together; what was used longest ago is left out.
  static constexpr std::size_t kEntriesMax = 1000;

  unsigned threads = 0;         ///< of which this tells
  unsigned threads_silent = 0;  ///< too busy to answer in time
  std::uint64_t hits = 0, misses = 0, stale = 0;
  std::uint64_t queries = 0, failures = 0, refreshes = 0;
  std::uint64_t cached = 0;  ///< also those that are not among `entries`
  std::uint64_t in_flight = 0, queued = 0;
  std::vector<DnsEntryStatus> entries;
};

}  // namespace millrace
