// The configuration as everything else sees it: one immutable snapshot of typed values.
//
// A default-constructed struct holds the documented defaults; that is their one place. What a key
// is for, why its default is what it is and which values it takes stands beside its name in
// keys.cpp, from where the parser, `millrace check --print` and the JSON Schema have it. Names: the
// key `head` of `[limits]` is `limits.head_bytes`: members carry the unit where the type does not.
//
// Units: sizes are bytes (`*_bytes`), times are milliseconds, counts are plain. An empty optional
// is "none": no limit. An empty path is "not set". Paths are absolute: relative ones were read
// against the file's folder.
//
// Ownership and threads: built once by load.hpp, then only read, through shared_ptr<const Config>;
// each io thread may keep its own.
#pragma once

#include "base/error.hpp"
#include "config/address.hpp"
#include "config/balance.hpp"
#include "config/pattern.hpp"
#include "config/process.hpp"
#include "config/routing.hpp"
#include "http/limits.hpp"
#include "http/method.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace::config {

using std::chrono::milliseconds;

/// PEM files: the certificate with its chain, leaf first, and its key. Checked to match while
/// loading.
struct CertificateFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path ocsp;  ///< DER; not set: none
  friend bool operator==(const CertificateFiles&, const CertificateFiles&) = default;
};

/// Must clients show a certificate?
enum class ClientAuth : std::uint8_t { kNone, kOptional, kRequired };

/// `[[server.tls]]`
struct TlsListener {
  std::vector<Address> listen;
  std::vector<CertificateFiles> certificates;  ///< the first is for clients that ask for no name
  std::filesystem::path client_ca;             ///< PEM; set unless client_auth is kNone
  ClientAuth client_auth = ClientAuth::kNone;
  bool http2 = true;
  milliseconds handshake_timeout{10'000};
  std::optional<milliseconds> reload_interval{60'000};  ///< "none": only on SIGHUP
  std::filesystem::path key_log;                        ///< not set: secrets are told to nobody
  friend bool operator==(const TlsListener&, const TlsListener&) = default;
};

/// May a trusted proxy begin a connection with a PROXY header (haproxy's proxy-protocol.txt)?
enum class ProxyProtocol : std::uint8_t { kOff, kOptional, kRequired };

/// `[server]`
struct Server {
  std::vector<Address> listen{{Address::Family::kIpv4, "127.0.0.1", 8080}};
  std::uint32_t threads = 0;  ///< 0: the smaller of CPU affinity and cgroup quota
  std::vector<Network> trusted_proxies;
  ProxyProtocol proxy_protocol = ProxyProtocol::kOff;
  milliseconds head_timeout{10'000};
  milliseconds idle_timeout{75'000};
  milliseconds write_timeout{30'000};
  milliseconds drain_timeout{30'000};
  std::uint64_t body_rate_min_bytes = 240;  ///< per second, 0: off
  milliseconds body_rate_grace{20'000};
  std::vector<TlsListener> tls;
  friend bool operator==(const Server&, const Server&) = default;
};

/// `[limits]`
struct Limits {
  std::uint64_t head_bytes = http::HeadLimits{}.head_bytes_max;
  std::uint32_t fields = http::HeadLimits{}.fields_max;
  std::uint64_t target_bytes = http::HeadLimits{}.target_bytes_max;
  std::optional<std::uint64_t> body_bytes;
  std::uint32_t connections = 16'384;
  std::uint64_t held_body_bytes = std::uint64_t{64} << 20;  ///< of all buffered request bodies
  std::uint64_t spilled_body_bytes = std::uint64_t{1} << 30;
  friend bool operator==(const Limits&, const Limits&) = default;
};

/// `[admin]`
struct Admin {
  std::optional<Address> listen{{Address::Family::kIpv4, "127.0.0.1", 9901}};
  friend bool operator==(const Admin&, const Admin&) = default;
};

/// Where the access log goes.
struct AccessLog {
  enum class Kind : std::uint8_t { kOff, kStderr, kFile };
  Kind kind = Kind::kStderr;
  std::filesystem::path file;  ///< kFile only
  friend bool operator==(const AccessLog&, const AccessLog&) = default;
};

/// kAuto: human lines on a terminal, JSON otherwise. kCombined: the format of that name in Apache
/// and nginx.
enum class LogFormat : std::uint8_t { kAuto, kJson, kCombined };

/// `[log]`
struct Log {
  AccessLog access;
  LogFormat format = LogFormat::kAuto;
  LogLevel level = LogLevel::kInfo;
  friend bool operator==(const Log&, const Log&) = default;
};

/// How long one request to an upstream may take, phase by phase.
struct Timeouts {
  milliseconds connect{2'000};  ///< names, TCP and TLS together
  std::optional<milliseconds> first_byte{
      60'000};                               ///< from the request's last byte to the answer's first
  std::optional<milliseconds> idle{60'000};  ///< between two reads or writes of a body
  std::optional<milliseconds> total;         ///< all of it
  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

/// Certificates of servers that `?url=`, the fetch endpoint and egress talk to: always verified.
struct FetchTls {
  std::filesystem::path ca;  ///< PEM; not set: the system's
  friend bool operator==(const FetchTls&, const FetchTls&) = default;
};

/// When a fetch that failed is begun again, and a body that broke off is gone on with.
struct FetchRetry {
  std::uint32_t attempts = 1;           ///< how often, per hop and per body
  std::vector<std::uint32_t> statuses;  ///< answers that are no answer
  double budget = 0.2;                  ///< retries per fetch, of one io thread
  std::uint32_t budget_min = 10;        ///< per second and io thread, always
  friend bool operator==(const FetchRetry&, const FetchRetry&) = default;
};

/// Batches of fetches: `POST /v1/fetch/batch`.
struct FetchBatch {
  std::uint64_t body_bytes_max = std::uint64_t{4} << 20;
  std::uint64_t item_bytes_max = std::uint64_t{16} << 20;
  std::uint64_t held_bytes_max = std::uint64_t{32} << 20;
  std::uint32_t items_max = 10'000;
  friend bool operator==(const FetchBatch&, const FetchBatch&) = default;
};

/// `[fetch]`: the doors that take a URL from a client.
struct Fetch {
  std::vector<HostPattern> allow_hosts{HostPattern{}};
  std::vector<Network> allow_networks;
  std::uint32_t redirects_max = 10;
  Timeouts timeout{.connect = milliseconds(5'000),
                   .first_byte = milliseconds(30'000),
                   .idle = milliseconds(30'000),
                   .total = std::nullopt};
  FetchTls tls;
  FetchRetry retry;
  FetchBatch batch;
  friend bool operator==(const Fetch&, const Fetch&) = default;
};

/// `[[egress]]`: a forward proxy, and a gateway for a client's base URL.
struct Egress {
  Address listen;
  std::vector<HostPattern> allow_hosts{HostPattern{}};  ///< resolved: Fetch's when not given
  /// What CONNECT may lead to: web servers, and no port of a well-known protocol that is not HTTP.
  /// 80 is for WebSockets without TLS.
  std::vector<PortRange> connect_ports{{80, 80}, {443, 443}, {1024, 65535}};
  milliseconds tunnel_timeout{3'600'000};  ///< a tunnel in which neither side says anything
  friend bool operator==(const Egress&, const Egress&) = default;
};

/// `[offload]`: the CPU pool.
struct Offload {
  std::uint32_t threads = 0;  ///< 0: as many as server.threads comes to
  std::uint32_t queue = 1024;
  std::uint64_t memory_bytes = 1ULL << 30;
  friend bool operator==(const Offload&, const Offload&) = default;
};

/// `[image]`
struct Image {
  std::uint64_t body_bytes_max = 64ULL << 20;
  std::uint32_t pixels_max = 64'000'000;
  friend bool operator==(const Image&, const Image&) = default;
};

/// `[compute]`
struct Compute {
  std::uint64_t body_bytes_max = 16ULL << 30;
  friend bool operator==(const Compute&, const Compute&) = default;
};

/// The Host field that an upstream sees.
struct HostPolicy {
  enum class Kind : std::uint8_t { kPreserve, kUpstream, kFixed };
  Kind kind = Kind::kPreserve;
  std::string name;  ///< kFixed only: host[:port]
  friend bool operator==(const HostPolicy&, const HostPolicy&) = default;
};

/// TLS towards the https targets of an upstream.
struct UpstreamTls {
  std::filesystem::path ca;  ///< PEM; not set: the system's
  bool verify = true;
  std::string server_name;  ///< for SNI and the certificate; empty: the target's host
  friend bool operator==(const UpstreamTls&, const UpstreamTls&) = default;
};

/// Idle connections kept for the next request.
struct KeepAlive {
  std::uint32_t idle_max = 256;       ///< per target and io thread; 0: none are kept
  milliseconds idle_timeout{60'000};  ///< the peer's own close time, once known, comes first
  friend bool operator==(const KeepAlive&, const KeepAlive&) = default;
};

/// When a failed request is sent again.
struct Retry {
  std::uint32_t attempts = 1;           ///< how often, beside the first time
  std::optional<milliseconds> per_try;  ///< from the beginning of a try to its answer's head
  std::vector<std::uint32_t> statuses;  ///< answers that are no answer
  bool hedge = false;
  double budget = 0.2;            ///< retries per request, of the whole upstream
  std::uint32_t budget_min = 10;  ///< per second, always
  friend bool operator==(const Retry&, const Retry&) = default;
};

/// The same for one route; the budget is the upstream's.
struct RouteRetry {
  std::uint32_t attempts = 1;
  std::optional<milliseconds> per_try;
  std::vector<std::uint32_t> statuses;
  bool hedge = false;
  friend bool operator==(const RouteRetry&, const RouteRetry&) = default;
};

/// Requests that wait because `concurrency` others are under way.
struct Queue {
  std::uint32_t size = 1024;
  milliseconds timeout{5'000};
  std::optional<milliseconds> overload_after{5'000};  ///< without an empty moment
  milliseconds overload_timeout{500};
  friend bool operator==(const Queue&, const Queue&) = default;
};

/// `[upstream.NAME]`
struct Upstream {
  std::vector<Target> targets;         ///< at least one, unless there is a process
  std::optional<std::string> process;  ///< a key of Config::processes, instead of targets
  Balance balance = Balance::kRandomTwo;
  std::optional<HashKey> hash;  ///< for kRingHash; not given: the client's address
  std::optional<Sticky> sticky;
  Resolve resolve = Resolve::kEach;
  std::optional<HealthCheck> health;
  Outlier outlier;
  std::uint32_t panic_percent = 25;
  std::optional<Breaker> breaker;
  std::optional<milliseconds> slow_start;
  HostPolicy host;  ///< resolved: kUpstream when it was not given and a target is https://name
  Timeouts timeout;
  UpstreamTls tls;
  KeepAlive keepalive;
  milliseconds tunnel_timeout{3'600'000};  ///< a tunnel in which neither side says anything
  Retry retry;
  std::uint32_t concurrency = 1024;
  std::optional<std::uint32_t> target_concurrency;
  Queue queue;
  friend bool operator==(const Upstream&, const Upstream&) = default;
};

/// `respond = { status = 200, body = "...", headers = { } }`
struct Respond {
  std::uint32_t status = 200;
  std::string body;
  std::map<std::string, std::string> headers;  ///< no framing and no hop-by-hop fields among them
  friend bool operator==(const Respond&, const Respond&) = default;
};

/// Is a request's body taken in before a service is asked?
struct RequestBuffer {
  enum class Kind : std::uint8_t { kOff, kMemory, kSpill };
  Kind kind = Kind::kMemory;
  std::uint64_t bytes_max = std::uint64_t{1} << 20;  ///< kMemory only
  friend bool operator==(const RequestBuffer&, const RequestBuffer&) = default;
};

/// What becomes of a request whose client has gone.
enum class ClientGone : std::uint8_t { kCancel, kFinish };

/// `[[route]]`: exactly one of the five actions is there. The first route that matches wins.
struct Route {
  RouteMatch match;
  std::optional<std::string> upstream;  ///< a key of Config::upstreams
  std::optional<Split> split;           ///< of keys of Config::upstreams
  std::optional<std::string> endpoint;  ///< a name of endpoint_names()
  std::optional<Redirect> redirect;
  std::optional<Respond> respond;
  // For routes to an upstream or several; not given: the upstream's, or the default.
  std::optional<Rewrite> rewrite;
  std::optional<HashKey> split_by;  ///< who stays with an upstream of the split; not given: nobody
  std::optional<Mirror> mirror;
  std::optional<Timeouts> timeout;  ///< resolved: what it leaves out is the upstream's
  std::optional<RouteRetry> retry;  ///< resolved likewise
  std::optional<RequestBuffer> buffer_request;
  std::optional<ClientGone> client_gone;
  std::optional<bool> server_timing;  ///< not given: for loopback and trusted peers
  friend bool operator==(const Route&, const Route&) = default;
};

struct Config {
  Server server;
  Limits limits;
  Admin admin;
  Log log;
  Fetch fetch;
  std::vector<Egress> egress;
  Offload offload;
  Image image;
  Compute compute;
  std::map<std::string, Upstream, std::less<>> upstreams;
  std::map<std::string, Process, std::less<>> processes;
  std::vector<Route> routes;  ///< never empty after loading: without any it is `/*` to `all`
  friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace millrace::config
