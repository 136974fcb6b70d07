// The bodies of /status, /dns and /metrics.

#include "admin/admin_handler.hpp"
#include "base/metrics.hpp"

#include <array>
#include <vector>

#include <nlohmann/json.hpp>

namespace millrace::admin {

using millrace::metrics::Metric;
using millrace::metrics::Sample;
using millrace::metrics::total;

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
  out["log"] = {{"dropped", s.log_dropped}};
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
  };
  const auto process = millrace::metrics::process_samples();
  samples.insert(samples.end(), process.begin(), process.end());
  return millrace::metrics::render(samples) + queue_metrics(source);
}

}  // namespace millrace::admin
