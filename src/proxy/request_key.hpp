// What requests that belong together share: the key that ring_hash goes by, and the value of a
// sticky cookie.
//
// Pure. Thread rule: any thread.
#pragma once

#include "http/fields.hpp"
#include "millrace/exchange.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::proxy {

struct RequestKey {
  enum class From : std::uint8_t { kAddress, kPath, kHeader, kCookie };
  From from = From::kAddress;
  std::string name;  ///< of the header or cookie
  friend bool operator==(const RequestKey&, const RequestKey&) = default;
};

/// nullopt: the request has none: no such header or cookie, or an empty one. A path counts without
/// its query, an address without its port.
[[nodiscard]] std::optional<std::uint64_t> key_of(const RequestKey& key, const Exchange& exchange);

/// The value of the first cookie `name` (RFC 6265 section 4.2); empty: there is none. Cookies may
/// come in several fields (RFC 9113 section 8.2.3).
[[nodiscard]] std::string_view cookie_of(const http::Fields& fields,
                                         std::string_view name) noexcept;

}  // namespace millrace::proxy
