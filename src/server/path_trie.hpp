// The path patterns of routes, by their segments: which routes' patterns does a path match?
//
// Walking costs time in the length of the path, whatever the number of routes. Where some routes
// have a literal and others a parameter at the same place, both ways are walked: as often as there
// are such places on the path's own way. Ways on which no better route lies are left out.
//
// Thread rule: built once, then read by one io thread. Texts that are added must outlive it.
#pragma once

#include "config/pattern.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::server {

class PathTrie {
 public:
  using RouteIndex = std::uint32_t;

  /// In ascending order of `route`.
  void add(const config::PathPattern& pattern, RouteIndex route);

  /// Shows `see(routes, rest_at)` the routes of each pattern that matches, in ascending order;
  /// `rest_at` is where the path goes on behind the pattern's fixed part. `limit()` is a route:
  /// none from there on is of interest.
  template <class See, class Limit>
  void walk(std::string_view path, See see, Limit limit) const {
    if (!nodes_.empty() && path.starts_with('/')) walk_from(0, path, 0, see, limit);
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct Node {
    RouteIndex first;                 // the lowest here and below
    std::uint32_t parameter = kNone;  // child
    std::vector<RouteIndex> exact;    // patterns that end here
    std::vector<RouteIndex> below;    // those that go on with "/*"
  };
  struct Edge {
    std::uint32_t node;
    std::string_view segment;
    friend bool operator==(const Edge&, const Edge&) = default;
  };
  struct EdgeHash {
    std::size_t operator()(const Edge& edge) const noexcept {
      return std::hash<std::string_view>()(edge.segment) ^ (edge.node * 0x9e3779b97f4a7c15ULL);
    }
  };

  template <class See, class Limit>
  void walk_from(std::uint32_t at, std::string_view path, std::size_t done, See& see,
                 Limit& limit) const {
    const Node& node = nodes_[at];
    if (node.first >= limit()) return;
    if (done == path.size()) {
      if (!node.exact.empty()) see(std::span(node.exact), done);
      return;
    }
    if (!node.below.empty()) see(std::span(node.below), done);
    const std::size_t end = std::min(path.find('/', done + 1), path.size());
    const std::string_view segment = path.substr(done + 1, end - done - 1);
    if (const auto child = edges_.find({at, segment}); child != edges_.end())
      walk_from(child->second, path, end, see, limit);
    if (node.parameter != kNone && !segment.empty())
      walk_from(node.parameter, path, end, see, limit);
  }

  [[nodiscard]] std::uint32_t child(std::uint32_t at, const config::PathPattern::Segment& segment,
                                    RouteIndex route);

  std::vector<Node> nodes_;
  std::unordered_map<Edge, std::uint32_t, EdgeHash> edges_;
};

}  // namespace millrace::server
