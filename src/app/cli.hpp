// The command line as a value.
#pragma once

#include <string>
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

/// `millrace check [-c FILE] [--print | --schema] [--set KEY=VALUE]...`
struct CheckCommand {
  std::string config;
  std::vector<std::string> overrides;
  bool print = false;
  bool schema = false;
};

/// Nothing to run: help or version was printed, or the arguments were wrong and that was said.
struct Exit {
  int code = 0;
};

using Command = std::variant<Exit, ServeCommand, ProxyCommand, CheckCommand>;

/// Prints help, version and errors itself. Exit code 2 for usage errors.
[[nodiscard]] Command parse_command_line(int argc, const char* const* argv);

}  // namespace millrace::app
