#include "app/serve.hpp"

#include "app/check.hpp"
#include "app/server_process.hpp"

#include <iostream>

namespace millrace::app {
namespace {

int run(const config::Loaded& loaded, ServerProcess::Options options) {
  if (!loaded.config) {
    print_diagnostics(loaded);
    return 2;
  }
  options.warnings = loaded.warnings;
  ServerProcess process(loaded.config, options);
  if (const auto bound = process.bind(); !bound) {
    std::cerr << "millrace: " << bound.error() << '\n';
    return 1;
  }
  return process.run();
}

/// As a TOML basic string.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '$') out += '$';  // no environment substitution in arguments
    out += c;
  }
  return out + '"';
}

std::string proxy_config(const ProxyCommand& command) {
  std::string targets;
  for (const std::string& target : command.targets) {
    if (!targets.empty()) targets += ", ";
    targets += quoted(target);
  }
  return "server.listen = [" + quoted(command.listen) +
         "]\n"
         "upstream.default.targets = [" +
         targets +
         "]\n"
         "[[route]]\n"
         "match = { path = \"/*\" }\n"
         "upstream = \"default\"\n";
}

}  // namespace

int serve(const ServeCommand& command) {
  return run(load_config(command.config, command.overrides), {});
}

int proxy(const ProxyCommand& command) {
  return run(config::load_text(proxy_config(command), "command line", command.overrides),
             {.any_admin_port = true});
}

}  // namespace millrace::app
