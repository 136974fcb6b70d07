// The bodies of /status, /reload, /dns and /metrics.

#include "admin/admin_handler.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "http/head.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace millrace::admin {

using millrace::metrics::Metric;
using millrace::metrics::Sample;
using millrace::metrics::total;

namespace {

nlohmann::ordered_json configuration_status(const ConfigurationStatus& c) {
  const auto age = std::chrono::steady_clock::now() - c.loaded;
  nlohmann::ordered_json out{{"source", c.source},
                             {"generation", c.generation},
                             {"generations_in_use", c.in_use},
                             {"age_seconds", std::chrono::duration<double>(age).count()},
                             {"reloads", c.reloads},
                             {"reload_failures", c.reload_failures}};
  if (!c.last_failure.empty()) out["last_failure"] = c.last_failure;
  return out;
}

nlohmann::ordered_json to_json(const std::vector<ConfigMessage>& messages) {
  auto out = nlohmann::ordered_json::array();
  for (const ConfigMessage& m : messages) {
    nlohmann::ordered_json entry;
    if (!m.source.empty()) entry["source"] = m.source;
    if (m.line != 0) {
      entry["line"] = m.line;
      entry["column"] = m.column;
    }
    entry["message"] = m.message;
    entry["text"] = m.text;
    out.push_back(std::move(entry));
  }
  return out;
}

std::string_view problem_of(ReloadOutcome::Kind kind) noexcept {
  switch (kind) {
    case ReloadOutcome::Kind::kInvalid:
      return "config_invalid";
    case ReloadOutcome::Kind::kRefused:
      return "reload_refused";
    default:
      return "reload_failed";
  }
}

// What was written in a configuration need not be UTF-8.
std::string dump(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

int reload_status(const ReloadOutcome& outcome) noexcept {
  if (outcome.kind == ReloadOutcome::Kind::kDone) return 200;
  return outcome.kind == ReloadOutcome::Kind::kRefused ? 409 : 422;
}

std::string reload_json(const ReloadOutcome& outcome) {
  nlohmann::ordered_json out;
  const int status = reload_status(outcome);
  if (status != 200) {
    out["type"] = "about:blank";
    out["title"] = http::reason_phrase(status);
    out["status"] = status;
    out["detail"] = "Nothing has changed: the configuration of before goes on serving.";
    out["instance"] = "/reload";
    out["code"] = problem_of(outcome.kind);
    out["errors"] = to_json(outcome.errors);
  }
  out["generation"] = outcome.generation;
  out["warnings"] = to_json(outcome.warnings);
  return dump(out);
}

std::string status_json(const StatusSource& source) {
  const ProcessStatus s = source.status();
  const auto uptime = std::chrono::steady_clock::now() - s.started;
  // Ordered: people read it, too.
  nlohmann::ordered_json out;
  out["version"] = s.version;
  out["uptime_seconds"] = std::chrono::duration<double>(uptime).count();
  out["ready"] = source.ready();
  out["draining"] = source.draining();
  out["threads"] = s.threads;
  out["listeners"] = nlohmann::ordered_json::array();
  for (const ListenerStatus& l : s.listeners)
    out["listeners"].push_back({{"address", l.address}, {"tls", l.tls}, {"egress", l.egress}});
  out["admin"] = s.admin;
  out["connections"] = {{"active", total(Metric::kConnectionsActive)},
                        {"accepted", total(Metric::kConnectionsAccepted)}};
  out["requests"] = {{"total", total(Metric::kRequests)},
                     {"aborted", total(Metric::kRequestsAborted)}};
  out["upstream"] = {{"requests", total(Metric::kUpstreamRequests)},
                     {"errors", total(Metric::kUpstreamErrors)}};
  out["queues"] = nlohmann::ordered_json::array();
  for (const QueueStatus& q : source.queues())
    out["queues"].push_back({{"upstream", q.upstream},
                             {"limit", q.limit},
                             {"in_flight", q.in_flight},
                             {"waiting", q.waiting},
                             {"oldest_seconds", std::chrono::duration<double>(q.oldest).count()},
                             {"overloaded", q.overloaded},
                             {"queued", q.queued},
                             {"refused", q.refused},
                             {"timed_out", q.timed_out}});
  out["offload"] = {{"threads", s.offload.threads},
                    {"queued", s.offload.queued},
                    {"running", s.offload.running},
                    {"completed", s.offload.completed},
                    {"refused", s.offload.refused}};
  out["log"] = {{"level", log::level_name(s.log_level)}, {"dropped", s.log_dropped}};
  out["configuration"] = configuration_status(s.configuration);
  return out.dump(2) + "\n";
}

std::string dns_json(const DnsStatus& s) {
  nlohmann::ordered_json out;
  out["threads"] = {{"answered", s.threads}, {"silent", s.threads_silent}};
  out["lookups"] = {{"hits", s.hits}, {"misses", s.misses}, {"stale", s.stale}};
  out["queries"] = {{"total", s.queries},
                    {"failed", s.failures},
                    {"refreshes", s.refreshes},
                    {"in_flight", s.in_flight},
                    {"queued", s.queued}};
  out["cached"] = s.cached;
  out["entries"] = nlohmann::ordered_json::array();
  for (const DnsEntryStatus& e : s.entries) {
    out["entries"].push_back({{"thread", e.thread},
                              {"name", e.name},
                              {"type", e.type},
                              {"state", e.state},
                              {"refreshing", e.refreshing},
                              {"ttl_seconds", static_cast<double>(e.ttl.count()) / 1000},
                              {"hits", e.hits},
                              {"records", e.records}});
    if (e.nxdomain) out["entries"].back()["nxdomain"] = true;
  }
  return out.dump(2) + "\n";
}

std::string metrics_text(const StatusSource& source) {
  const ProcessStatus s = source.status();
  const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
  std::vector<Sample> samples{
      {Metric::kOffloadQueued, number(s.offload.queued)},
      {Metric::kOffloadRunning, number(s.offload.running)},
      {Metric::kOffloadCompleted, number(s.offload.completed)},
      {Metric::kOffloadRefused, number(s.offload.refused)},
      {Metric::kLogDropped, number(s.log_dropped)},
      {Metric::kDraining, source.draining() ? 1.0 : 0.0},
      {Metric::kReloads, number(s.configuration.reloads)},
      {Metric::kReloadFailures, number(s.configuration.reload_failures)},
      {Metric::kReloadOk, s.configuration.last_failure.empty() ? 1.0 : 0.0},
      {Metric::kConfigurationsInUse, number(s.configuration.in_use)},
  };
  const auto process = millrace::metrics::process_samples();
  samples.insert(samples.end(), process.begin(), process.end());
  return millrace::metrics::render(samples) + queue_metrics(source) +
         upstream_metrics(source.upstreams());
}

}  // namespace millrace::admin
