#include "config/routing.hpp"

#include "http/ascii.hpp"

#include <algorithm>
#include <array>

namespace millrace::config {
namespace {

constexpr auto kRedirectPlaces = std::to_array<std::string_view>({"host", "uri", "path", "query"});

bool covers(const TextPatterns& outer, const TextPatterns& inner) {
  return std::ranges::all_of(outer, [&](const auto& condition) {
    const auto found = inner.find(condition.first);
    if (found == inner.end()) return false;
    return condition.second.text == "*" || condition.second == found->second;
  });
}

}  // namespace

bool TextPattern::matches(std::string_view value) const noexcept {
  std::string_view want = text;
  if (want == "*") return true;
  const bool before = want.starts_with('*');
  const bool behind = want.ends_with('*');
  if (before) want.remove_prefix(1);
  if (behind) want.remove_suffix(1);
  if (before && behind) return value.find(want) != std::string_view::npos;
  if (before) return value.ends_with(want);
  return behind ? value.starts_with(want) : value == want;
}

Parsed<TextPattern> parse_text_pattern(std::string_view text) {
  const std::string_view inside = text.size() < 2 ? "" : text.substr(1, text.size() - 2);
  if (text == "**" || inside.contains('*'))
    return std::unexpected("\"*\" stands only at the beginning and the end of a value, got " +
                           quote(text));
  return TextPattern{std::string(text)};
}

bool covers(const RouteMatch& outer, const RouteMatch& inner) {
  if (!covers(outer.path, inner.path) || !covers(outer.host, inner.host)) return false;
  if (!covers(outer.header, inner.header) || !covers(outer.query, inner.query)) return false;
  if (outer.method.empty()) return true;
  if (inner.method.empty()) return false;
  return std::ranges::all_of(inner.method, [&](http::Method m) {
    return std::ranges::find(outer.method, m) != outer.method.end();
  });
}

Parsed<Template> parse_template(std::string_view text) {
  Template out{std::string(text), {}, text.ends_with("/*")};
  std::string_view left = text.substr(0, text.size() - (out.rest ? 2 : 0));
  while (!left.empty()) {
    const std::size_t open = left.find('{');
    const std::string_view literal = left.substr(0, open);
    if (literal.contains('}'))
      return std::unexpected("a \"}\" without its \"{\" in " + quote(text));
    if (!literal.empty()) out.pieces.push_back({std::string(literal), false});
    if (open == std::string_view::npos) break;
    const std::size_t close = left.find('}', open);
    if (close == std::string_view::npos || close == open + 1)
      return std::unexpected("expected {name}, got " + quote(text));
    out.pieces.push_back({std::string(left.substr(open + 1, close - open - 1)), true});
    left.remove_prefix(close + 1);
  }
  return out;
}

std::string Template::expand(const std::function<std::string_view(std::string_view name)>& value_of,
                             std::string_view rest_of_path) const {
  std::string out;
  for (const Piece& piece : pieces) out.append(piece.place ? value_of(piece.text) : piece.text);
  if (rest) out.append(rest_of_path);
  return out;
}

std::string Rewrite::apply(const PathPattern& pattern, std::string_view path_) const {
  std::string out;
  if (path) {
    std::string_view rest;
    if (!match_path(pattern, path_, rest)) return std::string(path_);
    out = path->expand([&](std::string_view name) { return parameter_of(pattern, path_, name); },
                       rest);
  } else {
    // "/apis" does not begin with the prefix "/api".
    if (path_.starts_with(strip_prefix) &&
        (path_.size() == strip_prefix.size() || path_[strip_prefix.size()] == '/'))
      path_.remove_prefix(strip_prefix.size());
    out.append(add_prefix).append(path_);
  }
  if (out.empty()) return "/";
  // To some services "//name" is a host.
  out.erase(0, std::min(out.find_first_not_of('/'), out.size()) - 1);
  return out;
}

bool is_redirect_place(std::string_view name) noexcept {
  return std::ranges::find(kRedirectPlaces, name) != kRedirectPlaces.end();
}

}  // namespace millrace::config
