// Sticky sessions: a cookie of ours says which target a client has, without saying who that is.
//
// The value is a keyed hash of the name of the target's seat. Who has the secret gives the same
// values: several servers, or one after a restart.
//
// Thread rule: any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::proxy {

struct StickyOptions {
  std::string cookie;                       ///< its name
  std::optional<std::chrono::seconds> ttl;  ///< nullopt: until the browser is closed
  std::string secret;
  friend bool operator==(const StickyOptions&, const StickyOptions&) = default;
};

/// 32 hexadecimal digits: half of an HMAC-SHA-256.
[[nodiscard]] std::string sticky_token(std::string_view secret, std::string_view seat);
/// The Set-Cookie field. Scripts cannot read it; over https it never comes back by http.
[[nodiscard]] std::string sticky_field(const StickyOptions& options, std::string_view token,
                                       bool https);
/// A secret that nobody else has.
[[nodiscard]] std::string random_secret();

}  // namespace millrace::proxy
