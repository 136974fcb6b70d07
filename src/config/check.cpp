#include "config/check.hpp"

#include "config/certificate_warnings.hpp"
#include "config/certificates.hpp"
#include "config/places.hpp"
#include "config/route_checks.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include <pwd.h>

namespace millrace::config {
namespace {

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

// --- upstreams
// -----------------------------------------------------------------------------------

void check_balance(Reader& reader, const Value& root, const std::string& path,
                   const Upstream& upstream) {
  if (upstream.hash) {
    if (upstream.balance != Balance::kRingHash)
      reader.error_of(root, path + ".hash", "has no effect without balance = \"ring_hash\"");
    else if (upstream.hash->keys_given() != 1)
      reader.error_of(root, path + ".hash",
                      "expected exactly one of header, cookie, path, address");
  }
  if (!upstream.health || reader.faulty(path + ".health")) return;
  if (upstream.health->tcp == !upstream.health->path.empty())
    reader.error_of(root, path + ".health", "expected either path or tcp = true");
  if (upstream.health->timeout > upstream.health->interval)
    reader.error_of(root, path + ".health", "timeout is longer than interval");
}

void check_weights(Reader& reader, const Value& root, const std::string& path,
                   const Upstream& upstream) {
  if (upstream.targets.empty() || reader.faulty(path + ".targets")) return;
  const auto weightless = [](const Target& target) { return target.weight == 0; };
  if (std::ranges::all_of(upstream.targets, weightless))
    reader.error_of(root, path + ".targets",
                    "every weight is 0, so nobody would get a request: expected one above 0");
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
  check_weights(reader, root, path, upstream);
  check_balance(reader, root, path, upstream);
  if (upstream.process && upstream.tls != UpstreamTls{})
    reader.error_of(root, path + ".tls", "has no effect: instances of a process speak plain HTTP");
  const bool any_tls = std::ranges::any_of(upstream.targets, &Target::tls);
  const bool all_read =
      std::ranges::none_of(upstream.targets, [](const Target& t) { return t.host.empty(); });
  if (upstream.tls == UpstreamTls{} || any_tls || !all_read || upstream.targets.empty()) return;
  reader.error_of(root, path + ".tls", "has no effect: none of the targets is https");
}

/// A number need not be anybody's.
bool is_user(const std::string& user) {
  if (user.find_first_not_of("0123456789") == std::string::npos) return true;
  std::vector<char> room(16 * 1024);
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwnam_r(user.c_str(), &entry, room.data(), room.size(), &found);
  return error != 0 || found != nullptr;  // where nobody can say, the start will
}

void check_process(Reader& reader, const Value& root, const std::string& path,
                   const Process& process) {
  const auto& words = process.command.words;
  std::error_code error;
  if (given(root, path + ".directory") && !process.directory.empty() &&
      !std::filesystem::is_directory(process.directory, error))
    reader.error_of(root, path + ".directory",
                    "there is no directory " + quote(process.directory.string()));
  if (!is_user(process.user))
    reader.error_of(root, path + ".user", "there is no user " + quote(process.user));
  if (!words.empty() && words.front().contains('{'))
    reader.error_of(root, path + ".command", "the program itself is no placeholder");
}

}  // namespace

void complete(const Value& root, Config& config) {
  if (config.routes.empty()) config.routes.push_back(Route{.match = {}, .endpoint = "all"});
  for (std::size_t i = 0; i < config.egress.size(); ++i) {
    if (!given(root, at("egress", i) + ".allow_hosts"))
      config.egress[i].allow_hosts = config.fetch.allow_hosts;
  }
  for (std::size_t i = 0; i < config.routes.size(); ++i)
    complete_route(root, at("route", i), config, config.routes[i]);
  for (auto& [name, upstream] : config.upstreams) {
    if (upstream.health && !given(root, "upstream." + name + ".health.timeout"))
      upstream.health->timeout = std::min(upstream.health->timeout, upstream.health->interval);
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
  check_routes(reader, root, config);
}

}  // namespace millrace::config
