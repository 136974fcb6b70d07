#include "app/status_text.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

/// "2d 3h", "4m 5s", "6s".
std::string span_text(double seconds) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kUnits{
      {{"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}}};
  auto left = static_cast<std::uint64_t>(seconds < 0 ? 0 : seconds);
  std::string out;
  int shown = 0;
  for (const auto& [unit, size] : kUnits) {
    if ((left < size && !(size == 1 && out.empty())) || shown == 2) continue;
    if (!out.empty()) out += ' ';
    out += std::to_string(left / size) + std::string(unit);
    left %= size;
    ++shown;
  }
  return out;
}

std::string scalar_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void line(std::string& out, std::string_view name, const std::string& value) {
  constexpr std::size_t kColumn = 15;
  out.append(name);
  out.append(name.size() < kColumn ? kColumn - name.size() : 1, ' ');
  out.append(value).append("\n");
}

std::string listeners_text(const Json& listeners) {
  std::string out;
  for (const Json& l : listeners) {
    if (!out.empty()) out += ", ";
    out += l.value("address", "");
    if (l.value("tls", false)) out += " (tls)";
    if (l.value("egress", false)) out += " (egress)";
  }
  return out;
}

std::string configuration_text(const Json& c) {
  std::string out = c.value("source", "") + ", generation " +
                    std::to_string(c.value("generation", std::uint64_t{0})) + ", loaded " +
                    span_text(c.value("age_seconds", 0.0)) + " ago";
  if (const auto in_use = c.value("generations_in_use", std::uint64_t{1}); in_use > 1)
    out += ", " + std::to_string(in_use) + " in use";
  return out;
}

/// "api  state=up requests=3": one line for each thing of a list or an object.
void list(std::string& out, const Json& status, const char* what) {
  if (!status.contains(what)) return;
  const Json& document = status[what];
  const Json& things = document.is_object() && document.contains(what) ? document[what] : document;
  if (!things.is_structured() || things.empty()) return;
  out.append("\n").append(what).append("\n");
  for (const auto& [key, thing] : things.items()) {
    std::string name = things.is_object() ? key : std::string();
    std::string rest;
    if (thing.is_object()) {
      for (const auto& [member, value] : thing.items()) {
        if (member == "name" && name.empty()) {
          name = scalar_text(value);
          continue;
        }
        rest.append(rest.empty() ? "" : " ").append(member).append("=").append(scalar_text(value));
      }
    } else {
      rest = scalar_text(thing);
    }
    line(out, "  " + name, rest);
  }
}

}  // namespace

std::string status_text(const Json& status) {
  std::string out = "millrace " + status.value("version", "") + ", up " +
                    span_text(status.value("uptime_seconds", 0.0)) + ", " +
                    (status.value("draining", false) ? "draining"
                     : status.value("ready", false)  ? "ready"
                                                     : "not ready") +
                    "\n";
  const auto has = [&](const char* key) { return status.contains(key); };
  if (has("configuration")) {
    line(out, "configuration", configuration_text(status["configuration"]));
    if (const Json& c = status["configuration"]; c.contains("last_failure"))
      line(out, "last reload", "failed: " + scalar_text(c["last_failure"]));
  }
  if (has("listeners")) line(out, "listen", listeners_text(status["listeners"]));
  if (has("admin")) line(out, "admin", scalar_text(status["admin"]));
  if (has("threads")) line(out, "threads", scalar_text(status["threads"]));
  if (has("connections"))
    line(out, "connections", std::to_string(status["connections"].value("active", 0)) + " open");
  if (has("requests"))
    line(out, "requests", std::to_string(status["requests"].value("total", std::uint64_t{0})));
  list(out, status, "upstreams");
  list(out, status, "processes");
  return out;
}

std::vector<std::string> process_names(const Json& processes) {
  const bool nested = processes.is_object() && processes.contains("processes");
  const Json& things = nested ? processes["processes"] : processes;
  std::vector<std::string> names;
  if (!things.is_structured()) return names;
  for (const auto& [key, thing] : things.items()) {
    if (things.is_object())
      names.push_back(key);
    else if (thing.is_object() && thing.contains("name"))
      names.push_back(scalar_text(thing["name"]));
  }
  return names;
}

}  // namespace millrace::app
