// Request targets (RFC 9112 section 3.2), authorities and paths (RFC 3986). What two parsers might
// read differently is refused.
//
// In a target every visible ASCII byte may stand except '#', '"', '<', '>' and '\'. That is a
// little more than RFC 3986 allows, because browsers send '|', '^', '`', '{', '}', '[' and ']' in
// queries as they are.
//
// Ownership: views point into the text that was given in, or into the arena where one is passed.
// Thread rule: pure functions.
#pragma once

#include "base/error.hpp"
#include "http/method.hpp"
#include "http/text_arena.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::http {

enum class HostKind : std::uint8_t { kName, kIpv4, kIpv6 };

/// host[:port].
struct Authority {
  std::string_view host;  ///< without the brackets of an IPv6 literal
  HostKind kind = HostKind::kName;
  std::optional<std::uint16_t> port;  ///< absent for "host" and for "host:"

  friend bool operator==(const Authority&, const Authority&) = default;
};

/// Names are made of unreserved characters in non-empty labels; one trailing dot may stand. Percent
/// encoding and sub-delims, which RFC 3986 has in reg-name, have no use in a DNS name and are
/// refused, and so are user info, commas, white space and the empty host. At most 255 bytes of
/// host. Error: kBadHost.
[[nodiscard]] Result<Authority> parse_authority(std::string_view text) noexcept;
/// Would parse_authority take it? Cheaper: the gate asks once per request.
[[nodiscard]] bool is_authority(std::string_view text) noexcept;

enum class TargetForm : std::uint8_t { kOrigin, kAbsolute, kAuthority, kAsterisk };

struct Target {
  TargetForm form = TargetForm::kOrigin;
  std::string_view scheme;     ///< absolute-form: "http" or "https", in any case
  std::string_view authority;  ///< absolute- and authority-form: validated
  std::string_view path;       ///< as sent; starts with '/'; "*" for OPTIONS *; empty for CONNECT
  std::string_view query;      ///< without '?'
  bool has_query = false;
};

/// The form is what the method demands: CONNECT takes authority-form with a port and nothing else,
/// `*` is for OPTIONS alone. An absolute-form without a path has "/" (for OPTIONS without a query:
/// "*"). Errors: kBadTarget; kBadHost for a malformed authority.
[[nodiscard]] Result<Target> parse_target(Method method, std::string_view text) noexcept;

/// One spelling per resource, so that what is matched is what is forwarded: percent-encoded
/// unreserved characters are decoded, other escapes get upper-case digits ("%2f" becomes "%2F" and
/// never '/'), then dot segments are removed without climbing over the root (RFC 3986
/// sections 6.2.2 and 5.2.4). Idempotent. A path without escapes and dot segments is returned as it
/// is; otherwise the result is in `arena`. Error: kBadTarget for a broken escape, an encoded NUL,
/// or a path that does not start with '/' ("*" and the empty path of CONNECT are returned as they
/// are).
[[nodiscard]] Result<std::string_view> normalise_path(std::string_view path, TextArena& arena);

/// RFC 3986 section 5.2.4, in place: returns the new length of text that starts with '/'.
[[nodiscard]] std::size_t remove_dot_segments(char* path, std::size_t size) noexcept;

}  // namespace millrace::http
