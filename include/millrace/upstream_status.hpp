// What is known of the upstreams and their targets, for the admin address.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct TargetStatus {
  std::string name;
  std::string_view state;              ///< "healthy", "unhealthy", "ejected", "draining"
  std::string reason;                  ///< why it is in that state; empty: it is healthy
  std::chrono::milliseconds since{0};  ///< how long ago that changed
  unsigned weight = 0;
  unsigned share_percent = 100;  ///< of its weight, while it starts slowly
  unsigned priority = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  std::uint64_t ejections = 0;
  std::string_view last_error;           ///< a code; empty: none, or its statuses only
  std::chrono::microseconds latency{0};  ///< average, to the head of the answer
};

struct UpstreamStatus {
  std::string name;
  std::string_view breaker;  ///< "closed", "open", "half-open"
  std::uint64_t breaker_opened = 0;
  std::vector<TargetStatus> targets;
};

}  // namespace millrace
