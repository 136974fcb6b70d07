// Patterns of routes and allow lists, taken apart once. The router compiles paths further; here is
// what they mean.
#pragma once

#include "config/units.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

/// `*`, `example.com`, `*.example.com` (names below it, not itself), or a literal address without
/// brackets.
struct HostPattern {
  std::string text = "*";  ///< lower-case, without a final dot

  [[nodiscard]] bool matches_all() const noexcept { return text == "*"; }
  /// `host`: lower-case, without port, brackets and final dot. Linear in its length.
  [[nodiscard]] bool matches(std::string_view host) const noexcept;
  friend bool operator==(const HostPattern&, const HostPattern&) = default;
};

[[nodiscard]] Parsed<HostPattern> parse_host_pattern(std::string_view text);

/// "/v1/image/*", "/users/{id}", "/": segments between slashes, the last of which may be `*`.
///
/// `/a/*` matches /a/ and below, not /a; without `*` the path is matched whole; `{id}` is one
/// segment that is not empty. "/" has one empty segment, "/a/" has "a" and an empty one.
struct PathPattern {
  struct Segment {
    std::string text;        ///< the literal, or the parameter's name
    bool parameter = false;  ///< `{name}`
    friend bool operator==(const Segment&, const Segment&) = default;
  };

  std::string text = "/*";
  std::vector<Segment> segments;  ///< without the final `*`
  bool wildcard = true;           ///< ends in `/*`

  friend bool operator==(const PathPattern&, const PathPattern&) = default;
};

[[nodiscard]] Parsed<PathPattern> parse_path_pattern(std::string_view text);

/// Does `path` match? `rest` is set to what lies behind the fixed part: "/x" for "/a/*" and "/a/x",
/// empty for a pattern without `*`.
[[nodiscard]] bool match_path(const PathPattern& pattern, std::string_view path,
                              std::string_view& rest) noexcept;
/// What stands in `path` for the pattern's parameter `name`; empty: there is no such thing.
[[nodiscard]] std::string_view parameter_of(const PathPattern& pattern, std::string_view path,
                                            std::string_view name) noexcept;

/// Is every path that `inner` matches matched by `outer` too? Then a route with `inner` behind one
/// with `outer` is never reached.
[[nodiscard]] bool covers(const PathPattern& outer, const PathPattern& inner) noexcept;
[[nodiscard]] bool covers(const HostPattern& outer, const HostPattern& inner) noexcept;

}  // namespace millrace::config
