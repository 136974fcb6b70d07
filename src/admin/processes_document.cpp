// The body of /processes.

#include "admin/admin_handler.hpp"

#include <nlohmann/json.hpp>

namespace millrace::admin {
namespace {

using Json = nlohmann::ordered_json;  // people read it, too

double seconds(std::chrono::milliseconds ms) {
  return static_cast<double>(ms.count()) / 1000;
}

/// What a service has written need not be UTF-8.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json to_json(const InstanceStatus& i) {
  return {{"index", i.index},
          {"generation", i.generation},
          {"pid", i.pid},
          {"state", i.state},
          {"cause", i.cause},
          {"address", i.address},
          {"age_seconds", seconds(i.age)},
          {"requests", i.requests},
          {"in_flight", i.in_flight},
          {"rss_bytes", i.rss_bytes}};
}

Json to_json(const ExitStatus& e) {
  return {{"index", e.index},
          {"generation", e.generation},
          {"pid", e.pid},
          {"reason", e.reason},
          {"cause", e.cause},
          {"ago_seconds", seconds(e.ago)},
          {"age_seconds", seconds(e.age)},
          {"last_lines", e.last_lines}};
}

Json to_json(const SupervisedStatus& p) {
  Json out;
  out["name"] = p.name;
  out["command"] = p.command;
  out["workers"] = p.workers;
  out["state"] = p.state;
  out["rolling_out"] = p.rolling_out;
  out["failures"] = p.failures;
  out["next_start_seconds"] = seconds(p.next_start);
  out["starts"] = p.starts;
  out["exits_total"] = p.exits_total;
  out["rollouts"] = p.rollouts;
  out["last_error"] = p.last_error;
  out["instances"] = Json::array();
  for (const InstanceStatus& i : p.instances) out["instances"].push_back(to_json(i));
  out["exits"] = Json::array();
  for (const ExitStatus& e : p.exits) out["exits"].push_back(to_json(e));
  return out;
}

}  // namespace

std::string processes_json(const std::vector<SupervisedStatus>& processes) {
  Json out;
  out["processes"] = Json::array();
  for (const SupervisedStatus& p : processes) out["processes"].push_back(to_json(p));
  return dump(out);
}

}  // namespace millrace::admin
