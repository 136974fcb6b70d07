// The admin address: GET /livez /readyz /metrics /status /config /dns /upstreams /processes, POST
// /reload /drain /log-level /dns/flush, /upstreams/NAME/drain?target=TARGET,
// /upstreams/NAME/enable?target=TARGET and /processes/NAME/restart.
//
// It is for machines and people on this host, so it trusts nobody who comes by way of a browser:
// a request whose Host is none of its own names is refused (DNS rebinding), and so is one that a
// page of another origin makes. Behind it all is read through StatusSource.
//
// Thread rule: the thread that serves the admin address. The source outlives it.
#pragma once

#include "millrace/exchange.hpp"
#include "millrace/status.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::admin {

class AdminHandler final : public Handler {
 public:
  explicit AdminHandler(StatusSource& source) noexcept : source_(source) {}

  [[nodiscard]] Task<Result<void>> handle(Exchange& exchange) override;

 private:
  struct Page {
    std::string_view path;
    http::Method method;
    /// One of the two.
    void (AdminHandler::*answer)(Exchange& exchange);
    Task<Result<void>> (AdminHandler::*answer_later)(Exchange& exchange) = nullptr;
  };
  static std::span<const Page> pages() noexcept;

  void livez(Exchange& exchange);
  void readyz(Exchange& exchange);
  void metrics(Exchange& exchange);
  void status(Exchange& exchange);
  void drain(Exchange& exchange);
  [[nodiscard]] Task<Result<void>> config(Exchange& exchange);
  [[nodiscard]] Task<Result<void>> reload(Exchange& exchange);
  [[nodiscard]] Task<Result<void>> log_level(Exchange& exchange);
  void processes(Exchange& exchange);
  [[nodiscard]] Result<void> restart_process(Exchange& exchange, std::string_view name);
  [[nodiscard]] Task<Result<void>> dns(Exchange& exchange);
  [[nodiscard]] Task<Result<void>> flush_dns(Exchange& exchange);
  [[nodiscard]] Task<Result<void>> upstreams(Exchange& exchange);
  /// `words`: "NAME/drain" or "NAME/enable".
  [[nodiscard]] Result<void> change_target(Exchange& exchange, std::string_view words);

  StatusSource& source_;
  std::string body_;  ///< of the answer that is being made; kept for its memory
};

/// Is `authority` a name of the admin address itself? Those are localhost, literal loopback
/// addresses, and the address at which the connection came in. Ports are not compared: they do not
/// resolve. Clients of a Unix socket may say what they like: no browser speaks to one.
[[nodiscard]] bool is_own_host(std::string_view authority, const PeerInfo& peer) noexcept;

/// May a page of `origin` (an Origin field's value) ask? Only one that the admin address served
/// itself: same host and port as `authority`.
[[nodiscard]] bool is_own_origin(std::string_view origin, std::string_view authority) noexcept;

/// The body of /status.
[[nodiscard]] std::string status_json(const StatusSource& source);
/// The body of the answer to POST /reload: what was done, or a problem document with every error.
[[nodiscard]] std::string reload_json(const ReloadOutcome& outcome);
/// Its status: 200, 422 for a configuration that cannot be had, 409 for not now.
[[nodiscard]] int reload_status(const ReloadOutcome& outcome) noexcept;
/// The body of /processes.
[[nodiscard]] std::string processes_json(const std::vector<SupervisedStatus>& processes);
/// The body of /dns.
[[nodiscard]] std::string dns_json(const DnsStatus& status);
/// Of the queues in front of upstreams, as Prometheus text; a part of /metrics.
[[nodiscard]] std::string queue_metrics(const StatusSource& source);
/// The body of /upstreams.
[[nodiscard]] std::string upstreams_json(std::span<const UpstreamStatus> upstreams);
/// What /metrics says of upstreams and their targets; empty: there are none.
[[nodiscard]] std::string upstream_metrics(std::span<const UpstreamStatus> upstreams);
/// The body of /metrics.
[[nodiscard]] std::string metrics_text(const StatusSource& source);

}  // namespace millrace::admin
