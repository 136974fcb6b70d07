// One line per request: what it was, how it ended, how long it took.
//
// Formatting allocates nothing and takes well under a microsecond; what a client sent is cut at the
// lengths below and escaped (log_text.hpp).
//
// Ownership: a record only refers to its texts. Thread rule: pure functions.
#pragma once

#include "base/log_text.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace::log {

struct AccessRecord {
  timespec time{};  ///< when the exchange ended
  std::uint64_t duration_us = 0;
  std::string_view method;
  std::string_view path;
  std::string_view query;  ///< without '?'
  bool has_query = false;
  std::string_view protocol;
  int status = 0;               ///< 0: the client was gone before there was one
  std::uint64_t bytes_in = 0;   ///< body bytes
  std::uint64_t bytes_out = 0;  ///< body bytes
  std::string_view client;
  std::string_view request_id;
  std::string_view route;
  std::string_view user_agent;
  std::string_view referer;
  std::string_view cause;  ///< code of the Errc; empty: it went well

  // Only where an upstream was asked: attempts > 0 or upstream not empty.
  std::string_view upstream;
  std::string_view upstream_target;
  int upstream_status = 0;
  unsigned attempts = 0;
  bool reused = false;
  /// "wait" for "wait_us"; those of 0 are left out.
  struct PhaseTime {
    std::string_view name;
    std::uint64_t us = 0;
  };
  std::array<PhaseTime, 7> phases{};
  std::uint64_t wasted_us = 0;  ///< how long it worked for a client that has gone
};

/// Longer texts are cut.
inline constexpr std::size_t kTargetShownMax = 2048;
inline constexpr std::size_t kTextShownMax = 512;

enum class AccessFormat : std::uint8_t {
  kJson,      ///< {"event":"access","time":...,"method":...}
  kHuman,     ///< 03:04:05.678 200 GET /path 1.23ms 345B 127.0.0.1
  kCombined,  ///< the format of that name in Apache and nginx
};

/// Room that write_access may need for this record.
[[nodiscard]] std::size_t access_bytes_max(const AccessRecord& record) noexcept;
/// One line with its line end.
void write_access(LineWriter& out, const AccessRecord& record, AccessFormat format) noexcept;

}  // namespace millrace::log
