// Which handler answers a request: first match in file order (host, path, method).
//
// Thread rule: built once, then read by one io thread. Handlers must outlive the router.
#pragma once

#include "config/config.hpp"
#include "millrace/exchange.hpp"

#include <string>
#include <vector>

namespace millrace::server {

class Router {
 public:
  /// Routes are asked in the order in which they were added.
  void add(config::RouteMatch match, Handler& handler);

  struct Found {
    Handler* handler = nullptr;
    /// Some route has this host and path, but not the method.
    bool other_method = false;
  };
  /// Sets route_name and route_path (the path behind the pattern's fixed part, with its slash).
  [[nodiscard]] Found find(Exchange& exchange) const;

  /// Methods that routes with this host and path take: "GET, HEAD, POST".
  [[nodiscard]] std::string allowed(const Exchange& exchange) const;

 private:
  struct Entry {
    config::RouteMatch match;
    Handler* handler;
  };
  std::vector<Entry> entries_;
};

/// Does `path` match? `rest` is set to what lies behind the fixed part: "/x" for "/a/*" and "/a/x",
/// empty for a pattern without `*`.
[[nodiscard]] bool match_path(const config::PathPattern& pattern, std::string_view path,
                              std::string_view& rest) noexcept;

}  // namespace millrace::server
