// What the file says of a route: which requests it takes, what becomes of their path, and how they
// are shared out.
#pragma once

#include "config/balance.hpp"
#include "config/pattern.hpp"
#include "config/units.hpp"
#include "http/method.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

/// What the value of a field or parameter must be, in this very case: "gold" itself, "gold*" what
/// begins so, "*gold" what ends so, "*gold*" what has it, "*" any, the empty one too.
struct TextPattern {
  std::string text = "*";

  /// Linear in the length of `value` ("*gold*": times that of "gold").
  [[nodiscard]] bool matches(std::string_view value) const noexcept;
  friend bool operator==(const TextPattern&, const TextPattern&) = default;
};
[[nodiscard]] Parsed<TextPattern> parse_text_pattern(std::string_view text);

/// By name. All must be there.
using TextPatterns = std::map<std::string, TextPattern>;

struct RouteMatch {
  HostPattern host;
  PathPattern path;
  std::vector<http::Method> method;  ///< empty: any
  TextPatterns header;               ///< names in lower case; one field of the name is enough
  TextPatterns query;                ///< one parameter of the name is enough
  friend bool operator==(const RouteMatch&, const RouteMatch&) = default;
};

/// Is every request that `inner` matches matched by `outer` too?
[[nodiscard]] bool covers(const RouteMatch& outer, const RouteMatch& inner);

/// A text with places for what a route has matched: "/v2/users/{id}/*". At the end of it "/*" is
/// the place of what lies behind the fixed part of the route's pattern, slash included.
struct Template {
  struct Piece {
    std::string text;    ///< the literal, or the name
    bool place = false;  ///< `{name}`
    friend bool operator==(const Piece&, const Piece&) = default;
  };

  std::string text;
  std::vector<Piece> pieces;  ///< without the final "/*"
  bool rest = false;

  [[nodiscard]] bool has_places() const noexcept { return rest || pieces.size() > 1 || is_place(); }
  [[nodiscard]] std::string expand(
      const std::function<std::string_view(std::string_view name)>& value_of,
      std::string_view rest_of_path) const;
  friend bool operator==(const Template&, const Template&) = default;

 private:
  [[nodiscard]] bool is_place() const noexcept { return pieces.size() == 1 && pieces[0].place; }
};
[[nodiscard]] Parsed<Template> parse_template(std::string_view text);

/// `rewrite = { strip_prefix = "/api" }`: either `path`, or one or both of the others.
struct Rewrite {
  std::string strip_prefix;  ///< "/api", without a slash at its end; empty: none
  std::string add_prefix;    ///< likewise; put in front after the other was taken away
  std::optional<Template> path;

  /// The path upstream, for a path that `pattern` matches. Begins with one "/".
  [[nodiscard]] std::string apply(const PathPattern& pattern, std::string_view path) const;
  friend bool operator==(const Rewrite&, const Rewrite&) = default;
};

/// `redirect = { to = "...", status = 308 }`
struct Redirect {
  Template to;  ///< of the Location field: a path or an absolute URL
  std::uint32_t status = 308;
  friend bool operator==(const Redirect&, const Redirect&) = default;
};
/// What `to` may name beside the parameters of the route's path, which come first.
[[nodiscard]] bool is_redirect_place(std::string_view name) noexcept;

/// `split = { stable = 95, canary = 5 }`: weights of upstreams.
struct Split {
  std::map<std::string, std::uint32_t, std::less<>> weights;
  friend bool operator==(const Split&, const Split&) = default;
};

/// `mirror = { upstream = "next", percent = 10 }`
struct Mirror {
  std::string upstream;
  std::uint32_t percent = 100;
  friend bool operator==(const Mirror&, const Mirror&) = default;
};

}  // namespace millrace::config
