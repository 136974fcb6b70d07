// Connection options and persistence (RFC 9110 section 7.6.1, RFC 9112 section 9.3).
//
// Thread rule: pure functions.
#pragma once

#include "http/fields.hpp"
#include "http/head.hpp"

#include <cstddef>

namespace millrace::http {

/// What the Connection fields of a head say, all of them together.
struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  std::size_t count = 0;  ///< of options, the unknown ones too

  friend bool operator==(const ConnectionOptions&, const ConnectionOptions&) = default;
};

[[nodiscard]] ConnectionOptions connection_options(const Fields& fields) noexcept;

/// Does the sender of this head leave the connection open after the message? For both roles: a
/// client's request and an upstream's response. `close` wins over everything; HTTP/1.0 persists
/// only with `keep-alive`. Always true for HTTP/2, which has other means. A response that is
/// delimited by the end of the connection cannot be followed by another, whatever this says.
[[nodiscard]] bool persists(Version version, const ConnectionOptions& options) noexcept;
[[nodiscard]] bool persists(Version version, const Fields& fields) noexcept;

}  // namespace millrace::http
