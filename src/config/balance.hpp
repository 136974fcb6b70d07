// What the file says of an upstream with several targets: who gets a request, who is left alone.
//
// Defaults stand here, what they are for in balance_keys.cpp; see config.hpp.
#pragma once

#include "config/units.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::config {

using std::chrono::milliseconds;

enum class Balance : std::uint8_t { kRoundRobin, kLeastRequests, kRandomTwo, kRingHash };

/// A target's name that stands for several addresses.
enum class Resolve : std::uint8_t {
  kEach,  ///< each address is a target
  kOne,   ///< all together are one target, dialled as in Happy Eyeballs
};

/// `hash = { header = "X-User" }`: exactly one of them is given, or none at all: the address.
struct HashKey {
  std::string header;
  std::string cookie;
  bool path = false;
  bool address = false;
  [[nodiscard]] int keys_given() const noexcept {
    return (header.empty() ? 0 : 1) + (cookie.empty() ? 0 : 1) + (path ? 1 : 0) + (address ? 1 : 0);
  }
  friend bool operator==(const HashKey&, const HashKey&) = default;
};

/// `sticky = { cookie = "mr_srv" }`
struct Sticky {
  std::string cookie;
  std::optional<milliseconds> ttl;    ///< "none": until the browser is closed
  std::optional<std::string> secret;  ///< nullopt: this process's own
  friend bool operator==(const Sticky&, const Sticky&) = default;
};

/// Statuses from `first` to `last`, both included: "200", "200-399".
struct StatusRange {
  std::uint16_t first = 200;
  std::uint16_t last = 399;
  [[nodiscard]] std::string text() const;
  friend bool operator==(const StatusRange&, const StatusRange&) = default;
};
[[nodiscard]] Parsed<StatusRange> parse_status_range(std::string_view text);

/// `health = { path = "/healthz" }`: active checks.
struct HealthCheck {
  std::string path;  ///< empty: only a connection is made (`tcp = true`)
  bool tcp = false;
  std::string host;    ///< empty: the target's own
  StatusRange status;  ///< the good ones
  milliseconds interval{5'000};
  milliseconds timeout{2'000};
  std::uint32_t healthy = 2;
  std::uint32_t unhealthy = 3;
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

/// `outlier = { ... }`: what requests tell of their targets.
struct Outlier {
  std::uint32_t failures = 5;       ///< 0: off
  std::uint32_t error_percent = 0;  ///< 0: off
  std::uint32_t slow_factor = 0;    ///< 0: off
  milliseconds interval{10'000};
  std::uint32_t requests_min = 20;
  milliseconds eject{10'000};
  milliseconds eject_max{300'000};
  std::uint32_t ejected_percent_max = 50;
  friend bool operator==(const Outlier&, const Outlier&) = default;
};

/// `breaker = { failures = 20 }`
struct Breaker {
  std::uint32_t failures = 0;  ///< 0: off
  milliseconds open{10'000};
  friend bool operator==(const Breaker&, const Breaker&) = default;
};

}  // namespace millrace::config
