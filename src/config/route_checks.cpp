#include "config/route_checks.hpp"

#include "config/load.hpp"
#include "config/places.hpp"
#include "config/suggest.hpp"

#include <algorithm>
#include <array>

namespace millrace::config {
namespace {

constexpr auto kEndpoints =
    std::to_array<std::string_view>({"image", "compute", "fetch", "tools", "health", "all"});

void check_name(Reader& reader, const Value& root, const std::string& path, const std::string& name,
                const Config& config) {
  if (config.upstreams.contains(name)) return;
  reader.error_of(root, path,
                  "there is no [upstream." + name + "]" + nearest_name(name, config.upstreams));
}

void check_actions(Reader& reader, const Value& root, const std::string& path) {
  static constexpr auto kActions = std::to_array<std::string_view>(
      {"upstream", "split", "endpoint", "redirect", "respond", "static"});
  std::vector<std::string_view> found;
  for (const std::string_view action : kActions) {
    if (given(root, path + "." + std::string(action))) found.push_back(action);
  }
  if (found.empty()) {
    reader.error_of(root, path,
                    "expected one action: upstream, split, endpoint, redirect or respond");
  } else if (found.size() > 1) {
    reader.error_of(
        root, path,
        "expected exactly one action, got " + quote(found[0]) + " and " + quote(found[1]));
  }
}

void check_route(Reader& reader, const Value& root, const std::string& path, const Route& route,
                 const Config& config) {
  check_actions(reader, root, path);
  if (route.upstream) check_name(reader, root, path + ".upstream", *route.upstream, config);
  if (route.endpoint && *route.endpoint == "docs") {
    reader.error_of(root, path + ".endpoint",
                    "\"docs\" is known but not supported by this version");
  } else if (route.endpoint && std::ranges::find(kEndpoints, *route.endpoint) == kEndpoints.end()) {
    std::string hint = did_you_mean(*route.endpoint, kEndpoints);
    if (hint.empty()) hint = ", expected image, compute, fetch, tools, health or all";
    reader.error_of(root, path + ".endpoint",
                    "there is no endpoint " + quote(*route.endpoint) + hint);
  }
  static constexpr auto kRedirects = std::to_array<std::uint32_t>({301, 302, 303, 307, 308});
  if (route.redirect && std::ranges::find(kRedirects, route.redirect->status) == kRedirects.end()) {
    reader.error_of(
        root, path + ".redirect.status",
        "expected 301, 302, 303, 307 or 308, got " + std::to_string(route.redirect->status));
  }
  const bool bodyless =
      route.respond && (route.respond->status == 204 || route.respond->status == 304);
  if (bodyless && !route.respond->body.empty()) {
    reader.error_of(
        root, path + ".respond.body",
        "an answer with status " + std::to_string(route.respond->status) + " has no body");
  }
}

/// Keys that say how a request passes on, where it does not.
void check_passing(Reader& reader, const Value& root, const std::string& path, const Route& route) {
  if (route.split) {
    for (const char* key : {".timeout", ".retry"})
      if (given(root, path + key))
        reader.error_of(root, path + key, "is said of the upstreams of a split themselves");
    return;
  }
  if (given(root, path + ".split_by"))
    reader.error_of(root, path + ".split_by", "has no effect without split");
  if (route.upstream) return;
  for (const char* key : {".timeout", ".retry", ".buffer_request", ".client_gone", ".rewrite",
                          ".mirror", ".server_timing"}) {
    if (given(root, path + key))
      reader.error_of(root, path + key, "has no effect without upstream or split");
  }
}

void check_shares(Reader& reader, const Value& root, const std::string& path, const Route& route,
                  const Config& config) {
  if (given(root, path + ".mirror.upstream")) {
    const std::string& mirror = route.mirror->upstream;
    check_name(reader, root, path + ".mirror.upstream", mirror, config);
    if (route.upstream == mirror || (route.split && route.split->weights.contains(mirror)))
      reader.error_of(root, path + ".mirror.upstream",
                      "is where the originals go: copies would take their places");
    if (route.buffer_request && route.buffer_request->kind == RequestBuffer::Kind::kOff)
      reader.warning_of(root, path + ".mirror",
                        "copies only requests without a body: buffer_request is \"off\"");
  }
  if (route.split_by && route.split_by->keys_given() != 1)
    reader.error_of(root, path + ".split_by",
                    "expected exactly one of header, cookie, path, address");
  if (!route.split) return;
  std::uint64_t sum = 0;
  for (const auto& [name, weight] : route.split->weights) {
    sum += weight;
    check_name(reader, root, path + ".split." + quote_key(name), name, config);
  }
  if (sum == 0) reader.error_of(root, path + ".split", "expected at least one weight above 0");
}

bool has_parameter(const PathPattern& pattern, std::string_view name) {
  return std::ranges::any_of(pattern.segments, [&](const PathPattern::Segment& segment) {
    return segment.parameter && segment.text == name;
  });
}

/// Every place must have something to stand in it.
void check_template(Reader& reader, const Value& root, const std::string& path,
                    const Template& text, const PathPattern& pattern,
                    bool (*is_known)(std::string_view)) {
  // What a client may choose as a whole must not be the beginning.
  if (!text.pieces.empty() && text.pieces.front().place &&
      has_parameter(pattern, text.pieces.front().text))
    reader.error_of(root, path, "begins with a parameter: expected a \"/\" before it");
  for (const Template::Piece& piece : text.pieces) {
    if (!piece.place || has_parameter(pattern, piece.text) ||
        (is_known != nullptr && is_known(piece.text)))
      continue;
    reader.error_of(root, path,
                    "{" + piece.text + "} is no parameter of match.path " + quote(pattern.text));
  }
  if (text.rest && !pattern.wildcard)
    reader.error_of(root, path, "ends in \"/*\", but match.path does not: " + quote(pattern.text));
}

/// Whatever a client writes into its path must not become a part of the host's name.
void check_place_in_host(Reader& reader, const Value& root, const std::string& path,
                         const Redirect& redirect, const PathPattern& pattern) {
  if (!redirect.to.text.starts_with("http")) return;
  std::string literal;
  for (const Template::Piece& piece : redirect.to.pieces) {
    literal += piece.place ? "" : piece.text;
    if (literal.find('/', literal.find("://") + 3) != std::string::npos || !piece.place) continue;
    const bool begins_path = piece.text == "uri" || piece.text == "path";
    if (!has_parameter(pattern, piece.text) && (begins_path || piece.text == "host")) {
      if (begins_path) return;
      continue;
    }
    reader.error_of(root, path,
                    "{" + piece.text + "} stands in the host's name: expected a \"/\" before it");
  }
}

void check_paths(Reader& reader, const Value& root, const std::string& path, const Route& route) {
  const PathPattern& pattern = route.match.path;
  if (route.redirect)
    check_template(reader, root, path + ".redirect.to", route.redirect->to, pattern,
                   is_redirect_place);
  if (route.redirect)
    check_place_in_host(reader, root, path + ".redirect.to", *route.redirect, pattern);
  if (!route.rewrite) return;
  const Rewrite& rewrite = *route.rewrite;
  const bool prefixes = !rewrite.strip_prefix.empty() || !rewrite.add_prefix.empty();
  if (prefixes == rewrite.path.has_value())
    reader.error_of(root, path + ".rewrite",
                    "expected either path, or strip_prefix and add_prefix or one of them");
  if (rewrite.path)
    check_template(reader, root, path + ".rewrite.path", *rewrite.path, pattern, nullptr);
  const std::string& prefix = rewrite.strip_prefix;
  const std::string_view text = pattern.text;
  if (!text.starts_with(prefix) || (text.size() > prefix.size() && text[prefix.size()] != '/'))
    reader.error_of(root, path + ".rewrite.strip_prefix",
                    "match.path does not begin with it: " + quote(text));
}

/// A catch-all in front of what it was meant to catch the rest of: the commonest mistake with
/// ordered routes.
void check_order(Reader& reader, const Value& root, const Config& config) {
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (!covers(config.routes[j].match, config.routes[i].match)) continue;
      const std::string earlier = at("route", j);
      reader.error_of(
          root, at("route", i),
          "is never reached: " + earlier + place_text(root, earlier) + " matches all of it first");
      break;
    }
  }
}

}  // namespace

std::span<const std::string_view> endpoint_names() {
  return kEndpoints;
}

/// What a route says in part is the upstream's otherwise.
void complete_route(const Value& root, const std::string& path, const Config& config,
                    Route& route) {
  const auto found =
      route.upstream ? config.upstreams.find(*route.upstream) : config.upstreams.end();
  if (found == config.upstreams.end()) return;
  const auto inherit = [&](const char* key, auto& own, const auto& other) {
    if (!given(root, path + key)) own = other;
  };
  const Timeouts& limits = found->second.timeout;
  if (route.timeout) {
    inherit(".timeout.connect", route.timeout->connect, limits.connect);
    inherit(".timeout.first_byte", route.timeout->first_byte, limits.first_byte);
    inherit(".timeout.idle", route.timeout->idle, limits.idle);
    inherit(".timeout.total", route.timeout->total, limits.total);
  }
  const Retry& retry = found->second.retry;
  if (route.retry) {
    inherit(".retry.attempts", route.retry->attempts, retry.attempts);
    inherit(".retry.per_try", route.retry->per_try, retry.per_try);
    inherit(".retry.statuses", route.retry->statuses, retry.statuses);
    inherit(".retry.hedge", route.retry->hedge, retry.hedge);
  }
}

void check_routes(Reader& reader, const Value& root, const Config& config) {
  const Value* const routes = locate(root, "route").value;
  if (routes == nullptr || routes->kind != Value::Kind::kArray) return;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    check_route(reader, root, at("route", i), config.routes[i], config);
    check_passing(reader, root, at("route", i), config.routes[i]);
    check_shares(reader, root, at("route", i), config.routes[i], config);
    check_paths(reader, root, at("route", i), config.routes[i]);
  }
  // A pattern that could not be read stands there as its default: only a clean file is worth the
  // look.
  if (reader.count() == 0) check_order(reader, root, config);
}

}  // namespace millrace::config
