// Every key of the file: its name, what it is for, what it takes. One row does it all: parsing,
// unknown-key detection, printing and the schema come from here; defaults come from config.hpp.
#include "config/keys.hpp"

#include "config/codec.hpp"
#include "config/keys_passing.hpp"
#include "http/ascii.hpp"

#include <array>

namespace millrace::config {
namespace {

constexpr std::int64_t kSecond = 1'000;
constexpr std::int64_t kDay = 24 * 3'600 * kSecond;
constexpr std::int64_t kKiB = 1 << 10;
constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGiB = 1 << 30;
constexpr std::int64_t kTiB = kGiB << 10;

// A wait always ends: 1 ms to a day. "none" where the row's type allows it.
constexpr Rule kWait{.min = 1, .max = kDay};

std::string name_fault(std::string_view text) {
  if (text.empty() || is_host_name(text)) return {};
  return "expected a host name, got " + quote(text);
}

/// A list that is left out where there is nothing in it.
template <auto M>
constexpr auto unless_empty(Field<typename MemberOf<decltype(M)>::Struct> field) {
  using S = typename MemberOf<decltype(M)>::Struct;
  using T = typename MemberOf<decltype(M)>::Type;
  field.text = [](const S& in) { return (in.*M).empty() ? std::string() : Codec<T>::text(in.*M); };
  return field;
}

}  // namespace

template <>
std::span<const Choice<LogFormat>> choices() {
  static constexpr auto kChoices = std::to_array<Choice<LogFormat>>({
      {LogFormat::kAuto, "auto"},
      {LogFormat::kJson, "json"},
      {LogFormat::kCombined, "combined"},
  });
  return kChoices;
}

template <>
std::span<const Choice<LogLevel>> choices() {
  static constexpr auto kChoices = std::to_array<Choice<LogLevel>>({
      {LogLevel::kDebug, "debug"},
      {LogLevel::kInfo, "info"},
      {LogLevel::kWarn, "warn"},
      {LogLevel::kError, "error"},
  });
  return kChoices;
}

template <>
std::span<const Choice<ClientAuth>> choices() {
  static constexpr auto kChoices = std::to_array<Choice<ClientAuth>>({
      {ClientAuth::kNone, "none"},
      {ClientAuth::kOptional, "optional"},
      {ClientAuth::kRequired, "required"},
  });
  return kChoices;
}

template <>
std::span<const Choice<ProxyProtocol>> choices() {
  static constexpr auto kChoices = std::to_array<Choice<ProxyProtocol>>({
      {ProxyProtocol::kOff, "off"},
      {ProxyProtocol::kOptional, "optional"},
      {ProxyProtocol::kRequired, "required"},
  });
  return kChoices;
}

template <>
std::span<const Choice<http::Method>> choices() {
  static constexpr auto kChoices = std::to_array<Choice<http::Method>>({
      {http::Method::kGet, "GET"},
      {http::Method::kHead, "HEAD"},
      {http::Method::kPost, "POST"},
      {http::Method::kPut, "PUT"},
      {http::Method::kDelete, "DELETE"},
      {http::Method::kConnect, "CONNECT"},
      {http::Method::kOptions, "OPTIONS"},
      {http::Method::kTrace, "TRACE"},
      {http::Method::kPatch, "PATCH"},
  });
  return kChoices;
}

template <>
std::span<const Field<CertificateFiles>> fields() {
  static constexpr auto kFields = std::to_array<Field<CertificateFiles>>({
      key<&CertificateFiles::certificate>(
          "certificate", "PEM file: the certificate, then its chain.", {.required = true}),
      key<&CertificateFiles::key>("key",
                                  "PEM file: the certificate's private key, without a passphrase.",
                                  {.required = true}),
      key<&CertificateFiles::ocsp>("ocsp",
                                   "DER file: the authority's OCSP answer for the certificate, "
                                   "shown to clients that ask for it."),
  });
  return kFields;
}

template <>
std::span<const Field<TlsListener>> fields() {
  static constexpr auto kFields = std::to_array<Field<TlsListener>>({
      key<&TlsListener::listen>("listen", "Addresses that speak TLS.", {.required = true}),
      key<&TlsListener::certificates>(
          "certificates",
          "Certificates with their keys. A client gets the one for the name that it asks for, of a "
          "kind of key that it knows; the first when it asks for none.",
          {.required = true}),
      key<&TlsListener::client_ca>(
          "client_ca", "PEM file: the authorities whose clients are let in, see client_auth."),
      key<&TlsListener::client_auth>(
          "client_auth",
          "Whether clients may (\"optional\") or must (\"required\") show a certificate of "
          "client_ca. Its subject goes upstream as X-Forwarded-Client-Subject."),
      key<&TlsListener::http2>("http2", "Whether HTTP/2 is offered, before HTTP/1.1."),
      key<&TlsListener::handshake_timeout>(
          "handshake_timeout",
          "From accepting a connection to the end of the handshake. Long enough for a bad "
          "mobile network, short enough to shed clients that never speak.",
          kWait),
      key<&TlsListener::reload_interval>(
          "reload_interval",
          "How often the certificates' files are looked at; changed ones are loaded for new "
          "connections. \"none\": only on SIGHUP.",
          {.min = kSecond, .max = kDay}),
      key<&TlsListener::key_log>(
          "key_log",
          "File that gets the secrets of every connection, in the SSLKEYLOGFILE format: for "
          "debugging only. Who reads it reads the traffic."),
  });
  return kFields;
}

template <>
std::span<const Field<Server>> fields() {
  static constexpr auto kFields = std::to_array<Field<Server>>({
      key<&Server::listen>("listen",
                           "Addresses that speak HTTP: IP:port, [v6]:port, localhost:port or "
                           "unix:/path. Port 0 takes a free one."),
      key<&Server::threads>("threads",
                            "I/O threads; 0 is the smaller of CPU affinity and cgroup quota.",
                            {.max = 1'024}),
      key<&Server::trusted_proxies>("trusted_proxies",
                                    "Networks whose Forwarded and X-Forwarded-* fields are "
                                    "believed. Empty: nobody's, since anybody can write them."),
      key<&Server::proxy_protocol>(
          "proxy_protocol",
          "Whether trusted proxies may (\"optional\") or must (\"required\") begin a connection "
          "with a PROXY header, version 1 or 2. Nobody else's is read; \"required\" closes the "
          "connections of everybody else."),
      key<&Server::head_timeout>("head_timeout",
                                 "From a request's first byte to the end of its head, however "
                                 "slowly it drips: what ends a slowloris.",
                                 kWait),
      key<&Server::idle_timeout>("idle_timeout",
                                 "How long a connection waits for its next request. Above the "
                                 "60 s of common balancers, so that they close first.",
                                 kWait),
      key<&Server::write_timeout>("write_timeout",
                                  "How long a client may take nothing of an answer that is ready "
                                  "for it.",
                                  kWait),
      key<&Server::drain_timeout>("drain_timeout",
                                  "How long a stopping server lets requests in flight finish.",
                                  {.max = kDay}),
      key<&Server::body_rate_min_bytes>(
          "body_rate_min",
          "Bytes per second that a request's body must average "
          "while it is waited for; 0 is off. 240 is below any modem and above a "
          "slow-body attack.",
          {.max = kGiB}),
      key<&Server::body_rate_grace>(
          "body_rate_grace", "How long a body may take before its rate counts.", {.max = kDay}),
      key<&Server::tls>("tls", "Addresses that speak HTTP over TLS."),
  });
  return kFields;
}

template <>
std::span<const Field<Limits>> fields() {
  static constexpr auto kFields = std::to_array<Field<Limits>>({
      key<&Limits::head_bytes>(
          "head",
          "Size of a head, of requests and of upstreams' answers. Takes every real "
          "collection of cookies; a connection buffers no more. Over it: 431.",
          {.min = kKiB, .max = 16 * kMiB}),
      key<&Limits::fields>("fields",
                           "Fields in a head or in trailers; browsers send about 15. Over it: 431.",
                           {.min = 1, .max = 10'000}),
      key<&Limits::target_bytes>("target",
                                 "Size of a request target, as in nginx and Apache. Over it: 414.",
                                 {.min = 64, .max = kMiB}),
      key<&Limits::body_bytes>(
          "body",
          "Size of a request's body. None: proxied bodies stream, and endpoints have "
          "caps of their own. Over it: 413.",
          {.max = 1'024 * kTiB}),
      key<&Limits::connections>("connections",
                                "Open client connections of the whole process; over it, accepting "
                                "pauses. An idle one costs about 1 KiB and a descriptor.",
                                {.min = 1, .max = 10'000'000}),
      key<&Limits::held_body_bytes>("held_bodies",
                                    "Memory for request bodies that are taken in before a service "
                                    "is asked, all together; over it they are sent on as they "
                                    "come.",
                                    {.max = kTiB}),
      key<&Limits::spilled_body_bytes>("spilled_bodies",
                                       "The same on disk, for buffer_request = \"spill\".",
                                       {.max = 1024 * kTiB}),
  });
  return kFields;
}

template <>
std::span<const Field<Admin>> fields() {
  static constexpr auto kFields = std::to_array<Field<Admin>>({
      key<&Admin::listen>(
          "listen",
          "Address of /livez, /readyz, /metrics and /status, never one of [server]; "
          "\"none\" for no such address. On loopback, since it tells and takes more than a "
          "stranger "
          "should have."),
  });
  return kFields;
}

template <>
std::span<const Field<Log>> fields() {
  static constexpr auto kFields = std::to_array<Field<Log>>({
      key<&Log::access>("access",
                        "Where one line per request goes: a path, \"stderr\" or \"off\"."),
      key<&Log::format>("format", "auto: for people on a terminal, JSON otherwise."),
      key<&Log::level>("level", "The least serious lines that are written."),
  });
  return kFields;
}

template <>
std::span<const Field<Timeouts>> fields() {
  static constexpr auto kFields = std::to_array<Field<Timeouts>>({
      key<&Timeouts::connect>("connect", "Name lookup, TCP and TLS handshake together.", kWait),
      key<&Timeouts::first_byte>("first_byte",
                                 "From the end of the request to the answer's first byte.", kWait),
      key<&Timeouts::idle>("idle", "Between two pieces of a body, either way.", kWait),
      key<&Timeouts::total>("total", "The whole exchange. None: streams may last.", kWait),
  });
  return kFields;
}

template <>
std::span<const Field<FetchTls>> fields() {
  static constexpr auto kFields = std::to_array<Field<FetchTls>>({
      key<&FetchTls::ca>("ca",
                         "PEM file of certificate authorities to believe instead of the system's."),
  });
  return kFields;
}

template <>
std::span<const Field<FetchRetry>> fields() {
  static constexpr auto kFields = std::to_array<Field<FetchRetry>>({
      key<&FetchRetry::attempts>("attempts",
                                 "How often a fetch is tried again of which nothing was sent, or "
                                 "whose method is idempotent and of whose answer no byte came; and "
                                 "how often the rest of a body that broke off is asked for.",
                                 {.max = 10}),
      key<&FetchRetry::statuses>("statuses",
                                 "Answers to idempotent requests that are retried like failures, "
                                 "such as [429, 503]; a Retry-After of up to 10 s is waited for.",
                                 {.min = 400, .max = 599}),
      key<&FetchRetry::budget>("budget", "Retries per fetch, in 10 s.", {.max = 10}),
      key<&FetchRetry::budget_min>(
          "budget_min", "So many a second and I/O thread are always allowed.", {.max = 100'000}),
  });
  return kFields;
}

template <>
std::span<const Field<FetchBatch>> fields() {
  static constexpr auto kFields = std::to_array<Field<FetchBatch>>({
      key<&FetchBatch::body_bytes_max>(
          "body_max", "Size of a batch in JSON, or of one line of a batch in NDJSON.",
          {.min = kKiB, .max = 64 * kMiB}),
      key<&FetchBatch::item_bytes_max>(
          "item_max", "Size of one answer's body: it is kept until its line is written.",
          {.min = 1, .max = kGiB}),
      key<&FetchBatch::held_bytes_max>(
          "held_max",
          "What all answers of a batch that wait for its client may hold together. Over it no more "
          "is read from the servers.",
          {.min = kKiB, .max = 64 * kGiB}),
      key<&FetchBatch::items_max>("items_max", "URLs in one batch.", {.min = 1, .max = 10'000'000}),
  });
  return kFields;
}

template <>
std::span<const Field<Fetch>> fields() {
  static constexpr auto kFields = std::to_array<Field<Fetch>>({
      key<&Fetch::allow_hosts>(
          "allow_hosts",
          "Hosts that clients may have fetched: names, *.names or \"*\". Must be "
          "written out when a listener is not on loopback."),
      key<&Fetch::allow_networks>("allow_networks",
                                  "Private or loopback networks that may be dialled all the same. "
                                  "Empty: none, which is what keeps strangers out of yours."),
      key<&Fetch::redirects_max>(
          "redirects_max", "Redirects that are followed, each one checked like the first URL.",
          {.max = 50}),
      key<&Fetch::timeout>("timeout", "Shorter than an upstream's: these servers are strangers."),
      key<&Fetch::tls>("tls",
                       "How servers prove themselves; their certificates are always verified."),
      key<&Fetch::retry>("retry", "What is tried again, and how often."),
      key<&Fetch::batch>("batch", "Limits of batches: POST /v1/fetch/batch."),
  });
  return kFields;
}

template <>
std::span<const Field<Egress>> fields() {
  static constexpr auto kFields = std::to_array<Field<Egress>>({
      key<&Egress::listen>("listen",
                           "Address of a forward proxy for http:// and https:// URLs, which also "
                           "takes /https/HOST/PATH and /http/HOST/PATH.",
                           {.required = true}),
      key<&Egress::allow_hosts>(
          "allow_hosts",
          "Hosts that may be reached through it: names, *.names or \"*\"; those of [fetch] when "
          "not given. Must be written out here when the listener is not on loopback."),
      key<&Egress::connect_ports>(
          "connect_ports",
          "Ports that CONNECT may lead to. A tunnel carries any protocol: mail, remote login and "
          "the rest below 1024 are left out."),
      key<&Egress::tunnel_timeout>(
          "tunnel_timeout",
          "A tunnel in which neither side says anything. Long: pooled connections of clients are "
          "quiet most of the time.",
          kWait),
  });
  return kFields;
}

template <>
std::span<const Field<Offload>> fields() {
  static constexpr auto kFields = std::to_array<Field<Offload>>({
      key<&Offload::threads>(
          "threads", "Threads for CPU work (images, compute); 0 is as many as server.threads.",
          {.max = 1'024}),
      key<&Offload::queue>(
          "queue",
          "Jobs that may wait; over it, 503 with Retry-After. Seconds of work, not minutes.",
          {.max = 1'000'000}),
      key<&Offload::memory_bytes>(
          "memory",
          "What the admitted jobs may need together, by estimate. A lone job is "
          "always admitted; over it, 503.",
          {.min = kMiB, .max = 64 * kTiB}),
  });
  return kFields;
}

template <>
std::span<const Field<Image>> fields() {
  static constexpr auto kFields = std::to_array<Field<Image>>({
      key<&Image::body_bytes_max>(
          "body_max",
          "Size of an image as it is sent or fetched: the largest photographs, "
          "with room. Over it: 413.",
          {.min = kKiB, .max = 4 * kGiB}),
      key<&Image::pixels_max>(
          "pixels_max",
          "Width times height, checked before decoding: a pixel takes up to 6 bytes. "
          "Over it: 413.",
          {.min = 1, .max = 4'000'000'000}),
  });
  return kFields;
}

template <>
std::span<const Field<Compute>> fields() {
  static constexpr auto kFields = std::to_array<Field<Compute>>({
      key<&Compute::body_bytes_max>(
          "body_max",
          "Size of a body. It streams in constant memory: the limit is on time, "
          "some ten seconds of one thread. Over it: 413.",
          {.min = kKiB, .max = 1'024 * kTiB}),
  });
  return kFields;
}

template <>
std::span<const Field<UpstreamTls>> fields() {
  static constexpr auto kFields = std::to_array<Field<UpstreamTls>>({
      key<&UpstreamTls::ca>(
          "ca", "PEM file of certificate authorities to believe instead of the system's."),
      key<&UpstreamTls::verify>("verify", "false believes anybody on the way: for trying only."),
      key<&UpstreamTls::server_name>("server_name",
                                     "Name for SNI and in the certificate; empty: the target's.",
                                     {.fault = name_fault}),
  });
  return kFields;
}

template <>
std::span<const Field<Upstream>> fields() {
  static constexpr auto kFields = std::to_array<Field<Upstream>>({
      unless_empty<&Upstream::targets>(key<&Upstream::targets>(
          "targets",
          "Its servers: http://host:port, https://host, h2c://host:port, unix:/path or "
          "srv:_http._tcp.name; or { url = \"...\", weight = 2, priority = 1 }. This or process.")),
      key<&Upstream::process>(
          "process",
          "Name of the [process.NAME] whose instances are its servers, instead of targets."),
      key<&Upstream::balance>("balance", "How a target is chosen."),
      key<&Upstream::hash>("hash",
                           "What ring_hash goes by: { header = \"X-User\" }, { cookie = \"sid\" }, "
                           "{ path = true } or { address = true }."),
      key<&Upstream::sticky>("sticky", "A cookie of ours that keeps a client at its target."),
      key<&Upstream::resolve>("resolve",
                              "A name with several addresses: \"each\" is a target of its own, or "
                              "all together are \"one\"."),
      key<&Upstream::health>("health", "Active checks: { path = \"/healthz\" } or { tcp = true }."),
      key<&Upstream::outlier>("outlier", "When requests say that a target is ill."),
      key<&Upstream::panic_percent>("panic_percent",
                                    "When fewer targets than this share are healthy, all are used "
                                    "again: the few could not carry it.",
                                    {.max = 100}),
      key<&Upstream::breaker>("breaker",
                              "When the whole upstream is left alone: { failures = 20 }."),
      key<&Upstream::slow_start>("slow_start",
                                 "How long a target that is new or comes back takes to get its "
                                 "whole share; not by ring_hash.",
                                 kWait),
      key<&Upstream::host>(
          "host",
          "The Host field it sees: \"preserve\" the client's, \"upstream\" its own, or a name. "
          "\"upstream\" when it is not given and a target is https://name."),
      key<&Upstream::timeout>("timeout", "How long each phase of a request may take."),
      key<&Upstream::tls>("tls", "TLS towards https targets."),
      key<&Upstream::keepalive>("keepalive", "Idle connections kept for the next request."),
      key<&Upstream::tunnel_timeout>(
          "tunnel_timeout",
          "A WebSocket or other tunnel in which neither side says anything. Long, because being "
          "quiet is what many are for; libraries ping every 20 s or so.",
          kWait),
      key<&Upstream::retry>("retry", "When a failed request is sent again."),
      key<&Upstream::concurrency>(
          "concurrency", "Requests at once, of all I/O threads together; more wait in the queue.",
          {.min = 1, .max = 1'000'000}),
      key<&Upstream::target_concurrency>("target_concurrency",
                                         "Requests at once to each target, as many as a service "
                                         "has workers. Not given: only concurrency counts.",
                                         {.min = 1, .max = 1'000'000}),
      key<&Upstream::queue>("queue", "Requests that wait for their turn."),
  });
  return kFields;
}

template <>
std::span<const Field<Config>> fields() {
  static constexpr auto kFields = std::to_array<Field<Config>>({
      key<&Config::server>("server", "Where and how clients are served."),
      key<&Config::limits>("limits", "What a client may send."),
      key<&Config::admin>("admin", "The operator's own address."),
      key<&Config::log>("log", "What is written about requests."),
      key<&Config::fetch>("fetch",
                          "The doors that take a URL from a client: the fetch endpoint, ?url= and "
                          "[[egress]]."),
      key<&Config::egress>("egress", "Forward proxies for programs beside this server."),
      key<&Config::offload>("offload", "The pool of threads for CPU work."),
      key<&Config::image>("image", "Limits of the image endpoints."),
      key<&Config::compute>("compute", "Limits of the compute endpoints."),
      key<&Config::upstreams>("upstream", "Services behind, by name."),
      key<&Config::processes>("process", "Services that are started and supervised here, by name."),
      key<&Config::routes>(
          "route",
          "Which request goes where; the first that matches wins. Without any: /* to the "
          "endpoint all."),
  });
  return kFields;
}

void report_unknown(Reader& reader, const Member& member, std::span<const std::string_view> names) {
  const std::string path = reader.path().empty() ? member.name : reader.path() + "." + member.name;
  std::string hint = did_you_mean(member.name, names);
  for (const Field<Config>& section : fields<Config>()) {
    if (!hint.empty() || section.later) continue;
    for (const std::string_view name : section.children()) {
      if (name == member.name)
        hint = ", did you mean " + quote(std::string(section.name) + "." + member.name) + "?";
      if (!hint.empty()) break;
    }
  }
  reader.error_at(member.at, "unknown key " + quote(path) + hint);
}

void read_config(Reader& reader, const Value& root, Config& out) {
  Codec<Config>::read(reader, root, {}, out);
}

std::string print(const Config& config) {
  std::string out;
  print_table("", config, out);
  return out.substr(out.find_first_not_of('\n'));
}

std::string json_schema() {
  std::string out = Codec<Config>::schema({}, Config{});
  out.replace(0, 1,
              R"({"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Millrace",)");
  return out += '\n';
}

}  // namespace millrace::config
