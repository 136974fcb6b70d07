#include "config/check.hpp"

#include "config/certificate_warnings.hpp"
#include "config/certificates.hpp"
#include "config/suggest.hpp"

#include <algorithm>
#include <array>

namespace millrace::config {
namespace {

constexpr auto kEndpoints =
    std::to_array<std::string_view>({"image", "compute", "fetch", "tools", "health", "all"});

std::string at(std::string_view path, std::size_t index) {
  return std::string(path) + "[" + std::to_string(index) + "]";
}

bool given(const Value& root, std::string_view path) {
  return locate(root, path).value != nullptr;
}

std::string place_text(const Value& root, std::string_view path) {
  const Position where = locate(root, path).at;
  return where.line == 0 ? std::string() : " (line " + std::to_string(where.line) + ")";
}

// --- listeners
// -----------------------------------------------------------------------------------------

struct Listener {
  std::string path;  ///< its key
  const Address* address;
};

/// Those that [server] serves at.
std::vector<Listener> public_listeners(const Config& config) {
  std::vector<Listener> out;
  const auto add = [&out](const std::string& path, const std::vector<Address>& addresses) {
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      // An empty one was wrong in the file, and is reported.
      if (!addresses[i].host.empty()) out.push_back({at(path, i), &addresses[i]});
    }
  };
  add("server.listen", config.server.listen);
  for (std::size_t i = 0; i < config.server.tls.size(); ++i) {
    add(at("server.tls", i) + ".listen", config.server.tls[i].listen);
  }
  return out;
}

void check_listeners(Reader& reader, const Value& root, const Config& config) {
  auto listeners = public_listeners(config);
  if (config.server.listen.empty() && config.server.tls.empty() && config.egress.empty()) {
    reader.error_of(root, "server.listen",
                    "expected at least one address here, in [[server.tls]] or in [[egress]]");
  }
  for (std::size_t i = 0; i < config.egress.size(); ++i) {
    if (!config.egress[i].listen.host.empty())
      listeners.push_back({at("egress", i) + ".listen", &config.egress[i].listen});
  }
  if (config.admin.listen && !config.admin.listen->host.empty()) {
    listeners.push_back({"admin.listen", &*config.admin.listen});
  }
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const Listener &later = listeners[i], &earlier = listeners[j];
      // Twice in one list is the list's own error.
      if (!collide(*later.address, *earlier.address)) continue;
      if (*later.address == *earlier.address && later.path.ends_with(']') &&
          later.path.substr(0, later.path.rfind('[')) ==
              earlier.path.substr(0, earlier.path.rfind('['))) {
        continue;
      }
      reader.error_of(root, later.path,
                      later.address->text() + " is taken by " + earlier.path + " already (" +
                          earlier.address->text() + ")");
      break;
    }
  }
}

void check_proxy_protocol(Reader& reader, const Value& root, const Config& config) {
  if (config.server.proxy_protocol == ProxyProtocol::kOff) return;
  const auto by_unix = [](const Listener& l) { return l.address->is_unix(); };
  if (!config.server.trusted_proxies.empty()) return;
  if (std::ranges::any_of(public_listeners(config), by_unix)) return;
  reader.error_of(root, "server.proxy_protocol",
                  "says that proxies send their clients' addresses, and server.trusted_proxies "
                  "names nobody who is believed");
}

/// The doors that take a URL from a client: anybody who reaches the listener can use this machine
/// to fetch.
bool takes_urls(std::string_view endpoint) {
  return endpoint == "all" || endpoint == "fetch" || endpoint == "image" || endpoint == "compute";
}

void check_fetch(Reader& reader, const Value& root, const Config& config) {
  if (given(root, "fetch.allow_hosts")) return;
  const auto door = std::ranges::find_if(
      config.routes, [](const Route& r) { return r.endpoint && takes_urls(*r.endpoint); });
  if (door == config.routes.end()) return;
  for (const Listener& listener : public_listeners(config)) {
    if (listener.address->is_loopback()) continue;
    reader.error_of(root, listener.path,
                    listener.address->text() + " is not on loopback and the endpoint " +
                        quote(*door->endpoint) +
                        " fetches URLs for its clients: say which hosts in [fetch] allow_hosts "
                        "([\"*\"] is any public one, [] none)");
    return;
  }
}

/// Whoever reaches a forward proxy can use this machine for all that it allows.
void check_egress(Reader& reader, const Value& root, const Config& config) {
  for (std::size_t i = 0; i < config.egress.size(); ++i) {
    const std::string path = at("egress", i);
    const Address& address = config.egress[i].listen;
    if (address.host.empty() || address.is_loopback() || given(root, path + ".allow_hosts"))
      continue;
    reader.error_of(root, path + ".listen",
                    address.text() +
                        " is not on loopback and whoever reaches it can use this machine to reach "
                        "others: say which hosts in allow_hosts beside it ([\"*\"] is any public "
                        "one)");
  }
}

// --- certificates
// -----------------------------------------------------------------------------------------

void check_pair(Reader& reader, const Value& root, const std::string& path,
                const CertificateFiles& files) {
  if (files.certificate.empty() || files.key.empty()) {
    for (const std::string_view name : {".certificate", ".key"}) {
      const Value* value = locate(root, path + std::string(name)).value;
      const bool empty = value != nullptr && value->kind == Value::Kind::kString &&
                         !value->broken && value->text.empty();
      if (empty) reader.error_of(root, path + std::string(name), "expected the path of a file");
    }
    return;
  }
  const std::string certificate = certificate_fault(files.certificate), key = key_fault(files.key);
  if (!certificate.empty()) reader.error_of(root, path + ".certificate", certificate);
  if (!key.empty()) reader.error_of(root, path + ".key", key);
  if (certificate.empty() && key.empty() && !key_matches(files.certificate, files.key))
    reader.error_of(
        root, path + ".key",
        quote(files.key.string()) + " is not the key of " + quote(files.certificate.string()));
  if (!certificate.empty() || files.ocsp.empty()) return;
  const std::string ocsp = ocsp_fault(files.ocsp, files.certificate);
  if (!ocsp.empty()) reader.error_of(root, path + ".ocsp", ocsp);
}

void check_authorities(Reader& reader, const Value& root, const std::string& path,
                       const std::filesystem::path& file) {
  if (file.empty()) return;
  const std::string fault = authorities_fault(file);
  if (!fault.empty()) reader.error_of(root, path, fault);
}

void check_client_auth(Reader& reader, const Value& root, const std::string& path,
                       const TlsListener& tls) {
  const bool asked = tls.client_auth != ClientAuth::kNone;
  if (asked && tls.client_ca.empty())
    reader.error_of(root, path + ".client_auth",
                    "needs client_ca, the file of the authorities whose clients are let in");
  const Value* said = locate(root, path + ".client_auth").value;
  const bool unreadable = !asked && said != nullptr && said->text != "none";
  if (!asked && !unreadable && !tls.client_ca.empty())
    reader.error_of(root, path + ".client_ca",
                    "has no effect without client_auth = \"optional\" or \"required\"");
  check_authorities(reader, root, path + ".client_ca", tls.client_ca);
}

void warn_of_certificates(Reader& reader, const Value& root, const Config& config) {
  for (std::size_t i = 0; i < config.server.tls.size(); ++i) {
    const std::string path = at("server.tls", i) + ".";
    for (const auto& warning : certificate_warnings(config.server.tls[i], std::time(nullptr)))
      reader.warning_of(root, path + warning.key, warning.text);
    if (!config.server.tls[i].key_log.empty())
      reader.warning_of(root, path + "key_log",
                        "whoever reads this file can read the traffic: for debugging only");
  }
}

void check_tls_listeners(Reader& reader, const Value& root, const Config& config) {
  for (std::size_t i = 0; i < config.server.tls.size(); ++i) {
    const TlsListener& tls = config.server.tls[i];
    const std::string path = at("server.tls", i);
    if (given(root, path + ".listen") && tls.listen.empty()) {
      reader.error_of(root, path + ".listen", "expected at least one address");
    }
    if (given(root, path + ".certificates") && tls.certificates.empty()) {
      reader.error_of(root, path + ".certificates", "expected at least one certificate");
    }
    for (std::size_t j = 0; j < tls.certificates.size(); ++j) {
      check_pair(reader, root, at(path + ".certificates", j), tls.certificates[j]);
    }
    check_client_auth(reader, root, path, tls);
  }
}

// --- upstreams and routes
// -----------------------------------------------------------------------------------

void check_balance(Reader& reader, const Value& root, const std::string& path,
                   const Upstream& upstream) {
  if (upstream.hash) {
    const HashKey& hash = *upstream.hash;
    const int given_keys = (hash.header.empty() ? 0 : 1) + (hash.cookie.empty() ? 0 : 1) +
                           (hash.path ? 1 : 0) + (hash.address ? 1 : 0);
    if (upstream.balance != Balance::kRingHash)
      reader.error_of(root, path + ".hash", "has no effect without balance = \"ring_hash\"");
    else if (given_keys != 1)
      reader.error_of(root, path + ".hash",
                      "expected exactly one of header, cookie, path, address");
  }
  if (!upstream.health) return;
  if (upstream.health->tcp == !upstream.health->path.empty())
    reader.error_of(root, path + ".health", "expected either path or tcp = true");
  if (upstream.health->timeout > upstream.health->interval)
    reader.error_of(root, path + ".health", "timeout is longer than interval");
}

template <class Map>
std::string nearest_name(const std::string& name, const Map& map) {
  std::vector<std::string_view> names;
  names.reserve(map.size());
  for (const auto& [known, item] : map) names.push_back(known);
  return did_you_mean(name, names);
}

/// Targets that are given, or a process that has them.
void check_servers(Reader& reader, const Value& root, const std::string& path,
                   const Upstream& upstream, const Config& config) {
  const bool targets = given(root, path + ".targets");
  if (!targets && !given(root, path + ".process"))
    reader.error_of(root, path, "needs the key \"targets\" or the key \"process\"");
  if (!upstream.process) return;
  if (targets)
    reader.error_of(root, path + ".process",
                    "stands beside targets: expected exactly one of the two");
  if (!config.processes.contains(*upstream.process))
    reader.error_of(root, path + ".process",
                    "there is no [process." + *upstream.process + "]" +
                        nearest_name(*upstream.process, config.processes));
}

void check_upstream(Reader& reader, const Value& root, const std::string& name,
                    const Upstream& upstream, const Config& config) {
  const std::string path = "upstream." + name;
  check_servers(reader, root, path, upstream, config);
  const auto targets = locate(root, path + ".targets").value;
  if (targets != nullptr && targets->kind == Value::Kind::kArray && targets->items.empty()) {
    reader.error_of(root, path + ".targets", "expected at least one target");
  }
  check_authorities(reader, root, path + ".tls.ca", upstream.tls.ca);
  check_balance(reader, root, path, upstream);
  if (upstream.process && upstream.tls != UpstreamTls{})
    reader.error_of(root, path + ".tls", "has no effect: instances of a process speak plain HTTP");
  const bool any_tls = std::ranges::any_of(upstream.targets, &Target::tls);
  const bool all_read =
      std::ranges::none_of(upstream.targets, [](const Target& t) { return t.host.empty(); });
  if (upstream.tls == UpstreamTls{} || any_tls || !all_read || upstream.targets.empty()) return;
  reader.error_of(root, path + ".tls", "has no effect: none of the targets is https");
}

void check_process(Reader& reader, const Value& root, const std::string& path,
                   const Process& process) {
  const auto& words = process.command.words;
  if (given(root, path + ".directory") && !process.directory.empty() &&
      !std::filesystem::is_directory(process.directory))
    reader.error_of(root, path + ".directory",
                    "there is no directory " + quote(process.directory.string()));
  if (!words.empty() && words.front().contains('{'))
    reader.error_of(root, path + ".command", "the program itself is no placeholder");
}

void check_actions(Reader& reader, const Value& root, const std::string& path) {
  static constexpr auto kActions =
      std::to_array<std::string_view>({"upstream", "endpoint", "redirect", "respond", "static"});
  std::vector<std::string_view> found;
  for (const std::string_view action : kActions) {
    if (given(root, path + "." + std::string(action))) found.push_back(action);
  }
  if (found.empty()) {
    reader.error_of(root, path, "expected one action: upstream, endpoint, redirect or respond");
  } else if (found.size() > 1) {
    reader.error_of(
        root, path,
        "expected exactly one action, got " + quote(found[0]) + " and " + quote(found[1]));
  }
}

void check_route(Reader& reader, const Value& root, const std::string& path, const Route& route,
                 const Config& config) {
  check_actions(reader, root, path);
  if (route.upstream && !config.upstreams.contains(*route.upstream)) {
    reader.error_of(root, path + ".upstream",
                    "there is no [upstream." + *route.upstream + "]" +
                        nearest_name(*route.upstream, config.upstreams));
  }
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

void check_passing(Reader& reader, const Value& root, const std::string& path, const Route& route) {
  if (route.upstream) return;
  for (const char* key : {".timeout", ".retry", ".buffer_request", ".client_gone"}) {
    if (given(root, path + key))
      reader.error_of(root, path + key, "has no effect without upstream");
  }
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

bool covers(const RouteMatch& outer, const RouteMatch& inner) {
  if (!covers(outer.path, inner.path) || !covers(outer.host, inner.host)) return false;
  if (outer.method.empty()) return true;
  if (inner.method.empty()) return false;
  return std::ranges::all_of(inner.method, [&](http::Method m) {
    return std::ranges::find(outer.method, m) != outer.method.end();
  });
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

void complete(const Value& root, Config& config) {
  if (config.routes.empty()) config.routes.push_back(Route{.match = {}, .endpoint = "all"});
  for (std::size_t i = 0; i < config.egress.size(); ++i) {
    if (!given(root, at("egress", i) + ".allow_hosts"))
      config.egress[i].allow_hosts = config.fetch.allow_hosts;
  }
  for (std::size_t i = 0; i < config.routes.size(); ++i)
    complete_route(root, at("route", i), config, config.routes[i]);
  for (auto& [name, upstream] : config.upstreams) {
    if (given(root, "upstream." + name + ".host")) continue;
    const auto named = [](const Target& t) {
      return t.tls && (t.kind == Target::Kind::kName || t.kind == Target::Kind::kSrv);
    };
    if (std::ranges::any_of(upstream.targets, named))
      upstream.host.kind = HostPolicy::Kind::kUpstream;
  }
}

void check(Reader& reader, const Value& root, const Config& config) {
  check_listeners(reader, root, config);
  check_proxy_protocol(reader, root, config);
  check_fetch(reader, root, config);
  check_egress(reader, root, config);
  if (config.limits.target_bytes > config.limits.head_bytes) {
    reader.error_of(root, "limits.target",
                    "is larger than the whole head (limits.head, " +
                        format_size(config.limits.head_bytes) + ")");
  }
  check_tls_listeners(reader, root, config);
  warn_of_certificates(reader, root, config);
  check_authorities(reader, root, "fetch.tls.ca", config.fetch.tls.ca);
  for (const auto& [name, upstream] : config.upstreams)
    check_upstream(reader, root, name, upstream, config);
  for (const auto& [name, process] : config.processes)
    check_process(reader, root, "process." + name, process);
  const Value* const routes = locate(root, "route").value;
  if (routes == nullptr || routes->kind != Value::Kind::kArray) return;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    check_route(reader, root, at("route", i), config.routes[i], config);
    check_passing(reader, root, at("route", i), config.routes[i]);
  }
  // A pattern that could not be read stands there as its default: only a clean file is worth the
  // look.
  if (reader.count() == 0) check_order(reader, root, config);
}

}  // namespace millrace::config
