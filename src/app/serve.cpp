#include "app/serve.hpp"

#include "app/check.hpp"
#include "app/server_process.hpp"

#include <iostream>
#include <string>
#include <utility>

namespace millrace::app {
namespace {

int run(ServerProcess::Options options) {
  config::Loaded loaded = options.load();
  if (!loaded.config) {
    print_diagnostics(loaded);
    return 2;
  }
  ServerProcess process(std::move(loaded), std::move(options));
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
  // Decided once: a file that is gone later is an error of the reload.
  const std::string file = config_file(command.config);
  return run({.load = [file, &command] { return load_config(file, command.overrides); },
              .source = file.empty() ? kBuiltInDefaults : file});
}

int proxy(const ProxyCommand& command) {
  return run({.load =
                  [&command] {
                    return config::load_text(proxy_config(command), "command line",
                                             command.overrides);
                  },
              .source = "command line",
              .any_admin_port = true});
}

}  // namespace millrace::app
