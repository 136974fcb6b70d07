#include "app/serve.hpp"

#include "app/check.hpp"
#include "app/server_process.hpp"

#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (c == '$') out += '$';  // no environment substitution in arguments
    if (byte < 0x20 || byte == 0x7f)
      out.append("\\u00").append({kHex[byte >> 4], kHex[byte & 15]});
    else
      out += c;
  }
  return out + '"';
}

std::string quoted(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out.append(out.empty() ? "" : ", ").append(quoted(text));
  return "[" + out + "]";
}

const std::string kRouteToAll =
    "[[route]]\n"
    "match = { path = \"/*\" }\n"
    "upstream = \"default\"\n";

std::string proxy_config(const ProxyCommand& command) {
  return "server.listen = [" + quoted(command.listen) +
         "]\n"
         "upstream.default.targets = " +
         quoted(command.targets) + "\n" + kRouteToAll;
}

std::string run_config(const RunCommand& command) {
  return "server.listen = [" + quoted(command.listen) +
         "]\n"
         "process.app.command = " +
         quoted(command.command) +
         "\n"
         "process.app.workers = " +
         std::to_string(command.workers) +
         "\n"
         "upstream.default.process = \"app\"\n" +
         kRouteToAll;
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

int run_command(const RunCommand& command) {
  return run({.load =
                  [&command] {
                    return config::load_text(run_config(command), "command line",
                                             command.overrides);
                  },
              .source = "command line",
              .any_admin_port = true,
              .for_processes = true});
}

}  // namespace millrace::app
