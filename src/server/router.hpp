// Which handler answers a request: the first route in file order that matches.
//
// Routes are sorted when they are added, by host and then by path (path_trie); what is left to ask
// of a request are the methods, fields and parameters of those routes whose host and path it has.
// So the time goes with the length of host and path, not with the number of routes.
//
// Thread rule: built once, then read by one io thread. Handlers must outlive the router.
#pragma once

#include "config/routing.hpp"
#include "http/fields.hpp"
#include "millrace/exchange.hpp"
#include "server/path_trie.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::server {

class Router {
 public:
  Router() = default;
  Router(Router&&) noexcept = default;
  Router& operator=(Router&&) noexcept = default;

  /// Earlier ones come first.
  void add(config::RouteMatch match, Handler& handler);

  struct Found {
    Handler* handler = nullptr;
    /// Where it is in the order of add(); for `handler` only.
    std::size_t index = 0;
    /// Some route has all but the method.
    bool other_method = false;
  };
  /// Sets route_name and route_path (the path behind the pattern's fixed part, with its slash).
  [[nodiscard]] Found find(Exchange& exchange) const;

  /// Methods that routes take which match otherwise: "GET, HEAD, POST".
  [[nodiscard]] std::string allowed(const Exchange& exchange) const;

 private:
  struct FieldCondition {
    http::FieldId id;
    std::string_view name;  // in the entry's match, and so is the pattern
    const config::TextPattern* pattern;
  };
  struct Entry {
    config::RouteMatch match;
    Handler* handler;
    std::vector<FieldCondition> fields;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  using Hosts = std::unordered_map<std::string, PathTrie, TextHash, std::equal_to<>>;
  class Conditions;

  template <class See, class Limit>
  void walk(const http::RequestHead& request, See see, Limit limit) const;

  std::deque<Entry> entries_;  // which do not move: others refer to their texts
  PathTrie any_host_;
  Hosts hosts_;     // "example.com"
  Hosts suffixes_;  // ".example.com"
};

}  // namespace millrace::server
