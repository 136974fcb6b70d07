// The one parser for URLs that somebody else chose: ?url=, batch, redirects (RFC 3986, http and
// https only). What it yields is what is resolved, checked and dialled; nobody reads the text a
// second time.
//
// Hosts are names of letters, digits and hyphens, clean dotted quads, or [IPv6]. Everything that
// some other parser would read as an address in disguise is refused: 0x7f.1, 017700000001,
// 2130706433, 127.1, percent-encoded or full-width digits, scope ids.
//
// Thread rule: pure functions.
#pragma once

#include "base/error.hpp"
#include "http/target.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::http {

/// What limits.target takes by default; longer URLs are kBadParameter.
inline constexpr std::size_t kUrlBytesMax = 8 * 1024;

struct Url {
  bool https = false;
  HostKind kind = HostKind::kName;
  /// Lower case, without the brackets of IPv6 and without a trailing dot; addresses in their one
  /// canonical spelling.
  std::string host;
  std::uint16_t port = 80;  ///< never 0
  /// Path and query as they go into the request line: begins with '/', has no dot segments and no
  /// fragment; bytes outside ASCII are percent-encoded, everything else is as it was.
  std::string target = "/";

  /// For the Host field: brackets where needed, the port only where it is not the scheme's.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Url&, const Url&) = default;
};

/// Errors: kUrlRefused for another scheme, user info, and hosts in disguise (policy); kBadParameter
/// for everything that is no absolute URL: controls, spaces, backslashes, '"', '<', '>', bad hosts
/// and ports.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

/// A reference, such as the value of Location, against the URL it was found at (RFC 3986
/// section 5.2). The result went through parse_url, whatever the reference was. Errors as there.
[[nodiscard]] Result<Url> resolve_url(const Url& base, std::string_view reference);

/// Scheme, host and port are the same: credentials may follow.
[[nodiscard]] bool same_origin(const Url& a, const Url& b) noexcept;

}  // namespace millrace::http
