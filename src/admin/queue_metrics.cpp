// Queues in front of upstreams, for /metrics: what an autoscaler needs.

#include "admin/admin_handler.hpp"

#include <array>
#include <chrono>
#include <string>

namespace millrace::admin {
namespace {

struct Row {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  double (*value)(const QueueStatus& queue);
};

double number(std::uint64_t n) {
  return static_cast<double>(n);
}

constexpr std::array<Row, 7> kRows{{
    {"millrace_upstream_concurrency_limit", "gauge", "Requests that may be under way at once.",
     [](const QueueStatus& q) { return number(q.limit); }},
    {"millrace_upstream_in_flight", "gauge", "Requests that are under way.",
     [](const QueueStatus& q) { return number(q.in_flight); }},
    {"millrace_upstream_queue_length", "gauge", "Requests that wait for their turn.",
     [](const QueueStatus& q) { return number(q.waiting); }},
    {"millrace_upstream_queue_oldest_seconds", "gauge",
     "How long the request has waited that has waited longest.",
     [](const QueueStatus& q) { return std::chrono::duration<double>(q.oldest).count(); }},
    {"millrace_upstream_queued_total", "counter", "Requests that had to wait.",
     [](const QueueStatus& q) { return number(q.queued); }},
    {"millrace_upstream_queue_full_total", "counter", "Requests refused by a full queue.",
     [](const QueueStatus& q) { return number(q.refused); }},
    {"millrace_upstream_queue_timeouts_total", "counter", "Requests that waited too long.",
     [](const QueueStatus& q) { return number(q.timed_out); }},
}};

// Names are [A-Za-z0-9_-]: nothing to escape.
void put_row(std::string& out, const Row& row, const std::vector<QueueStatus>& queues) {
  out.append("# HELP ").append(row.name).append(" ").append(row.help).append("\n");
  out.append("# TYPE ").append(row.name).append(" ").append(row.type).append("\n");
  for (const QueueStatus& queue : queues) {
    out.append(row.name).append("{upstream=\"").append(queue.upstream).append("\"} ");
    std::string value = std::to_string(row.value(queue));
    value.erase(value.find_last_not_of('0') + 1);
    if (value.ends_with('.')) value.pop_back();
    out.append(value).append("\n");
  }
}

}  // namespace

std::string queue_metrics(const StatusSource& source) {
  std::string out;
  const std::vector<QueueStatus> queues = source.queues();
  if (queues.empty()) return out;
  for (const Row& row : kRows) put_row(out, row, queues);
  return out;
}

}  // namespace millrace::admin
