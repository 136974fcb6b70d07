#include "config/pattern.hpp"

#include "config/address.hpp"
#include "http/ascii.hpp"

#include <algorithm>

namespace millrace::config {
namespace {

std::unexpected<std::string> wrong(std::string what, std::string_view text) {
  return std::unexpected(std::move(what) + ", got " + quote(text));
}

bool is_parameter_name(std::string_view name) {
  const auto word = [](char c) {
    return http::is(c, http::kAlpha) || http::is(c, http::kDigit) || c == '_';
  };
  return !name.empty() && !http::is(name.front(), http::kDigit) && std::ranges::all_of(name, word);
}

/// What is wrong with a literal segment: bytes that no normalised path has.
std::string segment_fault(std::string_view segment) {
  if (segment == "." || segment == "..")
    return "a path pattern cannot have \".\" or \"..\" segments";
  if (segment.find('*') != std::string_view::npos) {
    return "\"*\" stands only alone as the last segment of a path pattern (\"/a/*\")";
  }
  if (segment.find_first_of("{}") != std::string_view::npos) {
    return "a parameter is a whole segment of a path pattern (\"/users/{id}\")";
  }
  if (segment.find_first_of("?#") != std::string_view::npos) {
    return "a path pattern ends before \"?\" and \"#\"";
  }
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (!http::is(segment[i], http::kTargetByte)) {
      return "a path pattern is printable ASCII without spaces, the rest percent-encoded";
    }
    if (segment[i] != '%') continue;
    const auto digits = segment.substr(i + 1, 2);
    if (digits.size() != 2 || !http::all_are(digits, http::kHex)) {
      return "\"%\" needs two hexadecimal digits in a path pattern";
    }
  }
  return {};
}

/// The fault, or nothing; the segment is added to the pattern.
std::string add_segment(PathPattern& pattern, std::string_view segment) {
  if (!segment.starts_with('{') || !segment.ends_with('}')) {
    pattern.segments.push_back({std::string(segment), false});
    return segment_fault(segment);
  }
  const std::string_view name = segment.substr(1, segment.size() - 2);
  if (!is_parameter_name(name))
    return "a parameter's name is letters, digits and \"_\" (\"/users/{id}\")";
  PathPattern::Segment parameter{std::string(name), true};
  if (std::ranges::find(pattern.segments, parameter) != pattern.segments.end()) {
    return "the parameter " + quote(name) + " stands twice in the path pattern";
  }
  pattern.segments.push_back(std::move(parameter));
  return {};
}

bool covers(const PathPattern::Segment& outer, const PathPattern::Segment& inner) {
  if (outer.parameter) return inner.parameter || !inner.text.empty();
  return !inner.parameter && outer.text == inner.text;
}

}  // namespace

bool HostPattern::matches(std::string_view host) const noexcept {
  if (matches_all()) return true;
  if (!text.starts_with("*.")) return host == text;
  const std::string_view suffix = std::string_view(text).substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

Parsed<HostPattern> parse_host_pattern(std::string_view text) {
  constexpr const char* kExpected =
      "expected a host such as \"example.com\", \"*.example.com\" or \"*\"";
  if (text == "*") return HostPattern{};
  if (const std::string v4 = canonical_ipv4(text); !v4.empty()) return HostPattern{v4};
  std::string_view v6 = text;
  if (v6.starts_with('[') && v6.ends_with(']')) v6 = v6.substr(1, v6.size() - 2);
  if (std::string host = canonical_ipv6(v6); !host.empty()) return HostPattern{std::move(host)};
  const std::string_view name = text.starts_with("*.") ? text.substr(2) : text;
  const auto colon = name.find(':');
  if (colon != std::string_view::npos && is_host_name(name.substr(0, colon))) {
    return std::unexpected("a host pattern has neither scheme nor port, got " + quote(text));
  }
  if (!is_host_name(name)) return wrong(kExpected, text);
  HostPattern pattern{std::string(text)};
  if (pattern.text.ends_with('.')) pattern.text.pop_back();
  std::ranges::transform(pattern.text, pattern.text.begin(), http::to_lower);
  return pattern;
}

Parsed<PathPattern> parse_path_pattern(std::string_view text) {
  if (!text.starts_with('/')) {
    const std::string hint = text.empty() || text.find("://") != text.npos
                                 ? std::string()
                                 : ", did you mean " + quote("/" + std::string(text)) + "?";
    return std::unexpected("a path pattern begins with \"/\", got " + quote(text) + hint);
  }
  PathPattern pattern{std::string(text), {}, false};
  std::string_view rest = text.substr(1);
  while (true) {
    const auto slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    const bool last = slash == std::string_view::npos;
    if (last && segment == "*") {
      pattern.wildcard = true;
      return pattern;
    }
    if (segment.empty() && !last)
      return wrong("a path pattern has no empty segment (\"//\")", text);
    if (std::string fault = add_segment(pattern, segment); !fault.empty())
      return wrong(fault, text);
    if (last) return pattern;
    rest.remove_prefix(slash + 1);
  }
}

namespace {

/// The segment that begins with the slash at `at`, which is moved behind it.
std::string_view next_segment(std::string_view path, std::size_t& at) noexcept {
  const std::size_t begin = at + 1;
  at = std::min(path.find('/', begin), path.size());
  return path.substr(begin, at - begin);
}

}  // namespace

bool match_path(const PathPattern& pattern, std::string_view path,
                std::string_view& rest) noexcept {
  if (path.empty() || path.front() != '/') return false;
  std::size_t at = 0;
  for (const auto& segment : pattern.segments) {
    if (at >= path.size()) return false;
    const std::string_view text = next_segment(path, at);
    if (segment.parameter ? text.empty() : text != segment.text) return false;
  }
  rest = path.substr(at);
  if (pattern.wildcard) return rest.starts_with('/');
  return rest.empty();
}

std::string_view parameter_of(const PathPattern& pattern, std::string_view path,
                              std::string_view name) noexcept {
  std::size_t at = 0;
  for (const auto& segment : pattern.segments) {
    if (at >= path.size()) break;
    const std::string_view text = next_segment(path, at);
    if (segment.parameter && segment.text == name) return text;
  }
  return {};
}

bool covers(const PathPattern& outer, const PathPattern& inner) noexcept {
  const std::size_t shared = outer.segments.size();
  if (inner.segments.size() < shared) return false;
  if (!outer.wildcard && (inner.wildcard || inner.segments.size() != shared)) return false;
  // "/a/*" needs something behind "/a": "/a" itself has just as many segments and no wildcard.
  if (outer.wildcard && !inner.wildcard && inner.segments.size() == shared) return false;
  for (std::size_t i = 0; i < shared; ++i) {
    if (!covers(outer.segments[i], inner.segments[i])) return false;
  }
  return true;
}

bool covers(const HostPattern& outer, const HostPattern& inner) noexcept {
  if (outer.text == inner.text || outer.matches_all()) return true;
  if (inner.matches_all()) return false;
  // "*.example.com" also covers "*.api.example.com", whose shortest match is longer still.
  return outer.text.starts_with("*.") && outer.matches(inner.text);
}

}  // namespace millrace::config
