// The command line as a value.
#pragma once

#include "http/method.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace millrace::app {

/// `millrace serve [-c FILE] [--set KEY=VALUE]...`
struct ServeCommand {
  std::string config;  ///< empty: ./millrace.toml where there is one, else the built-in defaults
  std::vector<std::string> overrides;
};

/// `millrace proxy --to URL[,URL...] [--listen ADDR] [--set KEY=VALUE]...`
struct ProxyCommand {
  std::vector<std::string> targets;
  std::string listen = "127.0.0.1:8080";
  std::vector<std::string> overrides;
};

/// `millrace run [--workers N] [--listen ADDR] [--set KEY=VALUE]... -- CMD...`
struct RunCommand {
  std::vector<std::string> command;
  unsigned workers = 1;
  std::string listen = "127.0.0.1:8080";
  std::vector<std::string> overrides;
};

/// `millrace check [-c FILE] [--print | --schema] [--set KEY=VALUE]...`
struct CheckCommand {
  std::string config;
  std::vector<std::string> overrides;
  bool print = false;
  bool schema = false;
};

/// `millrace explain METHOD URL [-H "NAME: VALUE"]... [-c FILE] [--set KEY=VALUE]...`
struct ExplainCommand {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string config;
  std::vector<std::string> overrides;
};

/// `millrace fetch [URL...] [--parallel N] [--out DIR]...`
struct FetchCommand {
  std::vector<std::string> urls;  ///< "-": lines of standard input; none: those only
  unsigned parallel = 16;
  std::optional<std::string> out;
  bool quiet = false;
  unsigned retries = 2;
  std::optional<std::chrono::milliseconds> timeout;
  std::chrono::milliseconds connect_timeout{5'000};
  std::vector<std::pair<std::string, std::string>> headers;
  http::Method method = http::Method::kGet;
  std::optional<std::string> data;
  std::optional<std::string> select;
  bool insecure = false;
  std::string ca_file;
  unsigned redirects_max = 10;
};

/// `millrace status | reload | drain | restart NAME [-c FILE | --admin ADDR]`
struct ControlCommand {
  enum class Action : std::uint8_t { kStatus, kReload, kDrain, kRestart };
  Action action = Action::kStatus;
  std::string config;  ///< as of ServeCommand
  std::optional<std::string> admin;
  bool json = false;
  std::string name;   ///< kRestart
  bool wait = false;  ///< kDrain
  std::chrono::milliseconds timeout{60'000};
};

/// Nothing to run: help or version was printed, or the arguments were wrong and that was said.
struct Exit {
  int code = 0;
};

using Command = std::variant<Exit, ServeCommand, ProxyCommand, RunCommand, CheckCommand,
                             ExplainCommand, FetchCommand, ControlCommand>;

/// Prints help, version and errors itself. Exit code 2 for usage errors.
[[nodiscard]] Command parse_command_line(int argc, const char* const* argv);

}  // namespace millrace::app
