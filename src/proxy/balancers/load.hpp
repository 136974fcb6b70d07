// Comparing how busy targets are: requests in flight, of all io threads, per weight.
#pragma once

#include "proxy/balancer.hpp"

#include <compare>
#include <cstdint>

namespace millrace::proxy {

struct Load {
  std::uint64_t in_flight = 0;
  std::uint64_t weight = 1;

  explicit Load(const Candidate& c) noexcept : in_flight(c.state->in_flight()), weight(c.weight) {}
  friend std::strong_ordering operator<=>(const Load& a, const Load& b) noexcept {
    return a.in_flight * b.weight <=> b.in_flight * a.weight;
  }
  friend bool operator==(const Load& a, const Load& b) noexcept { return (a <=> b) == 0; }
};

}  // namespace millrace::proxy
