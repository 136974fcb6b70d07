#include "process/launch.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <system_error>

#include <unistd.h>

namespace millrace::process {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

constexpr std::string_view kSocket = "{socket}", kPort = "{port}";
// What execvp(3) searches when there is no PATH.
constexpr std::string_view kPathWithoutPath = "/usr/local/bin:/usr/bin:/bin";
// Between systemd and us: a child that took them for its own would say it were us.
constexpr auto kOursAlone =
    std::to_array<std::string_view>({"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
                                     "WATCHDOG_PID", "WATCHDOG_USEC"});

Variables inherited() {
  Variables out;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view entry(*at);
    const std::size_t equals = entry.find('=');
    const std::string_view name = entry.substr(0, equals);
    if (equals == std::string_view::npos || std::ranges::find(kOursAlone, name) != kOursAlone.end())
      continue;
    out.emplace(name, entry.substr(equals + 1));
  }
  return out;
}

std::vector<std::string> flatten(const Variables& variables) {
  std::vector<std::string> out;
  for (const auto& [name, value] : variables) out.push_back(name + "=" + value);
  return out;
}

bool mentions(const config::Process& definition, std::string_view placeholder) {
  const auto has = [&](const std::string& text) { return text.contains(placeholder); };
  return std::ranges::any_of(definition.command.words, has) ||
         std::ranges::any_of(definition.environment.values,
                             [&](const auto& pair) { return has(pair.second); });
}

bool runs(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::is_regular_file(file, error) && ::access(file.c_str(), X_OK) == 0;
}

std::string_view path_of(const Variables& variables) {
  const auto path = variables.find("PATH");
  return path == variables.end() ? kPathWithoutPath : std::string_view(path->second);
}

void add_user(Variables& variables, const Identity& who) {
  if (who.name.empty()) return;
  variables["USER"] = variables["LOGNAME"] = who.name;
  variables["HOME"] = who.home;
}

Variables environment_of(const config::Process& definition, const Placeholders& values) {
  Variables out = inherited();
  out["PORT"] = std::to_string(values.port);
  out["MILLRACE_SOCKET"] = values.socket;
  out["PYTHONUNBUFFERED"] = "1";
  out["PYTHONFAULTHANDLER"] = "1";
  // The socket's folder lets nobody in but us: whoever is behind it is Millrace.
  if (told_by(definition) == Told::kSocket) out["FORWARDED_ALLOW_IPS"] = "*";
  return out;
}

}  // namespace

Told told_by(const config::Process& definition) {
  if (mentions(definition, kSocket)) return Told::kSocket;
  return mentions(definition, kPort) ? Told::kPort : Told::kByEnvironment;
}

std::string expand(std::string_view text, const Placeholders& values) {
  const std::array<std::pair<std::string_view, std::string>, 4> table{{
      {kSocket, values.socket},
      {kPort, std::to_string(values.port)},
      {"{index}", std::to_string(values.index)},
      {"{name}", values.name},
  }};
  std::string out;
  while (!text.empty()) {
    const auto at =
        std::ranges::find_if(table, [&](const auto& row) { return text.starts_with(row.first); });
    if (at == table.end()) {
      out += text.front();
      text.remove_prefix(1);
    } else {
      out += at->second;
      text.remove_prefix(at->first.size());
    }
  }
  return out;
}

std::expected<std::string, std::string> find_program(const std::string& program,
                                                     std::string_view path,
                                                     const std::string& directory) {
  const std::string shown = "\"" + program + "\"";
  if (program.contains('/')) {
    std::error_code error;
    const std::filesystem::path base =
        directory.empty() ? std::filesystem::current_path(error) : std::filesystem::path(directory);
    const std::filesystem::path file = (base / program).lexically_normal();
    if (runs(file)) return file.string();
    const bool there = std::filesystem::exists(file, error);
    return std::unexpected(shown + (there ? " cannot be executed" : " does not exist"));
  }
  for (;;) {
    const std::size_t colon = path.find(':');
    const std::filesystem::path file = std::filesystem::path(path.substr(0, colon)) / program;
    if (file.is_absolute() && runs(file)) return file.string();
    if (colon == std::string_view::npos) break;
    path.remove_prefix(colon + 1);
  }
  return std::unexpected("there is no program " + shown + " in PATH");
}

std::expected<SpawnSpec, std::string> plan_launch(const config::Process& definition,
                                                  const Placeholders& values) {
  SpawnSpec spec;
  spec.directory = definition.directory.string();
  spec.memory_bytes = definition.limits.memory_bytes;
  spec.files = definition.limits.files;
  for (const std::string& word : definition.command.words)
    spec.arguments.push_back(expand(word, values));
  Variables variables = environment_of(definition, values);
  if (!definition.user.empty()) {
    auto who = find_identity(definition.user);
    if (!who) return std::unexpected(who.error());
    add_user(variables, *who);
    spec.identity = std::move(*who);
  }
  for (const auto& [name, value] : definition.environment.values)
    variables[name] = expand(value, values);
  auto program = find_program(spec.arguments.front(), path_of(variables), spec.directory);
  if (!program) return std::unexpected(program.error());
  spec.program = std::move(*program);
  spec.environment = flatten(variables);
  return spec;
}

std::expected<SpawnSpec, std::string> plan_command(const config::Command& command,
                                                   std::vector<std::string> variables) {
  SpawnSpec spec;
  spec.arguments = command.words;
  const Variables ours = inherited();
  auto program = find_program(command.words.front(), path_of(ours), {});
  if (!program) return std::unexpected(program.error());
  spec.program = std::move(*program);
  spec.environment = flatten(ours);
  std::ranges::move(variables, std::back_inserter(spec.environment));
  return spec;
}

}  // namespace millrace::process
