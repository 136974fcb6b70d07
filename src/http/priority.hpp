// How urgent a client holds an answer to be: the Priority field (RFC 9218 section 4).
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::http {

struct Priority {
  std::uint8_t urgency = 3;  ///< 0 to 7; less is sooner
  bool incremental = false;  ///< of use in pieces: share the connection with others of its urgency
  bool said = false;         ///< the client has said so; else these are the defaults

  friend bool operator==(const Priority&, const Priority&) = default;
};

/// Reads `u=0`..`u=7` and `i`, `i=?0`, `i=?1` out of a dictionary (RFC 8941 section 3.2); the last
/// word counts, parameters and other members are passed over, and so is a member that makes no
/// sense: it is advice.
void read_priority(std::string_view value, Priority& to) noexcept;

}  // namespace millrace::http
