// The list NO_PROXY: which hosts are asked directly. curl's rules:
//
//   example.com, .example.com   the host and every host below it
//   host:8080, [::1]:8080       the same for one port
//   192.0.2.1, ::1, 10.0.0.0/8  addresses and networks, where the URL's host is an address
//   *                           every host
//
// Entries are separated by commas or white space; case and a final dot do not matter. Names are
// never resolved. An entry that is none of these matches nothing, as in curl. Ports, `*` beside
// other entries and `*.example.com` are what Go's and Python's clients add.
//
// Thread rule: immutable once made; any thread.
#pragma once

#include "net/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::client {

class NoProxy {
 public:
  /// Nothing is asked directly.
  NoProxy() = default;
  [[nodiscard]] static NoProxy parse(std::string_view list);

  /// `host` as in http::Url: lower case, no brackets, no final dot.
  [[nodiscard]] bool matches(std::string_view host, std::uint16_t port) const noexcept;

 private:
  struct Entry {
    std::string suffix;                   ///< lower case, no dots at its ends
    std::optional<net::Network> network;  ///< instead of the suffix
    std::uint16_t port = 0;               ///< 0: any
  };
  [[nodiscard]] static std::optional<Entry> parse_entry(std::string_view text);

  std::vector<Entry> entries_;
  bool all_ = false;
};

}  // namespace millrace::client
