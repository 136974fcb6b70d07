// The body of /upstreams, and what /metrics says of targets.

#include "admin/admin_handler.hpp"

#include <array>
#include <charconv>
#include <string>

#include <nlohmann/json.hpp>

namespace millrace::admin {
namespace {

double seconds(std::chrono::microseconds t) {
  return static_cast<double>(t.count()) / 1e6;
}

nlohmann::ordered_json to_json(const TargetStatus& t) {
  nlohmann::ordered_json out;
  out["target"] = t.name;
  out["state"] = t.state;
  if (!t.reason.empty()) out["reason"] = t.reason;
  out["since_seconds"] = seconds(t.since);
  out["weight"] = t.weight;
  if (t.share_percent != 100) out["share_percent"] = t.share_percent;
  out["priority"] = t.priority;
  out["in_flight"] = t.in_flight;
  out["requests"] = t.requests;
  out["failures"] = t.failures;
  out["ejections"] = t.ejections;
  if (!t.last_error.empty()) out["last_error"] = t.last_error;
  out["latency_seconds"] = seconds(t.latency);
  return out;
}

/// A label's value may be a path: quotes, backslashes and line ends are escaped.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string number(double value) {
  std::array<char, 512> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  return {text.data(), end};
}

struct Family {
  std::string_view name, type, help;
  double (*value)(const TargetStatus&);
};

constexpr std::array<Family, 6> kFamilies{{
    {"millrace_target_requests_total", "counter", "Requests sent to a target of an upstream.",
     [](const TargetStatus& t) { return static_cast<double>(t.requests); }},
    {"millrace_target_failures_total", "counter",
     "Requests that say that a target is ill: refused, reset, silent, or 502, 503, 504.",
     [](const TargetStatus& t) { return static_cast<double>(t.failures); }},
    {"millrace_target_ejections_total", "counter", "Times that a target was left alone for that.",
     [](const TargetStatus& t) { return static_cast<double>(t.ejections); }},
    {"millrace_target_in_flight", "gauge", "Requests that a target works on now.",
     [](const TargetStatus& t) { return static_cast<double>(t.in_flight); }},
    {"millrace_target_healthy", "gauge", "1 while a target is healthy and not draining.",
     [](const TargetStatus& t) { return t.state == "healthy" ? 1.0 : 0.0; }},
    {"millrace_target_latency_seconds", "gauge",
     "Average time to the head of an answer, of the last requests.",
     [](const TargetStatus& t) { return seconds(t.latency); }},
}};

void put_header(std::string& out, std::string_view name, std::string_view type,
                std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n");
  out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

}  // namespace

std::string upstreams_json(std::span<const UpstreamStatus> upstreams) {
  nlohmann::ordered_json out;
  out["upstreams"] = nlohmann::ordered_json::array();
  for (const UpstreamStatus& u : upstreams) {
    nlohmann::ordered_json row{{"upstream", u.name},
                               {"breaker", u.breaker},
                               {"breaker_opened", u.breaker_opened},
                               {"targets", nlohmann::ordered_json::array()}};
    for (const TargetStatus& t : u.targets) row["targets"].push_back(to_json(t));
    out["upstreams"].push_back(std::move(row));
  }
  return out.dump(2) + "\n";
}

std::string upstream_metrics(std::span<const UpstreamStatus> upstreams) {
  std::string out;
  if (upstreams.empty()) return out;
  for (const Family& family : kFamilies) {
    put_header(out, family.name, family.type, family.help);
    for (const UpstreamStatus& u : upstreams)
      for (const TargetStatus& t : u.targets)
        out.append(family.name)
            .append("{upstream=\"")
            .append(escaped(u.name))
            .append("\",target=\"")
            .append(escaped(t.name))
            .append("\"} ")
            .append(number(family.value(t)))
            .append("\n");
  }
  put_header(out, "millrace_upstream_breaker_opened_total", "counter",
             "Times that an upstream's circuit breaker opened.");
  for (const UpstreamStatus& u : upstreams)
    out.append("millrace_upstream_breaker_opened_total{upstream=\"")
        .append(escaped(u.name))
        .append("\"} ")
        .append(std::to_string(u.breaker_opened))
        .append("\n");
  return out;
}

}  // namespace millrace::admin
