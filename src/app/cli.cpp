#include "app/cli.hpp"

#include "app/cli_control.hpp"
#include "app/cli_fetch.hpp"
#include "app/version.hpp"

#include <iostream>
#include <string_view>

#include <CLI/CLI.hpp>

namespace millrace::app {
namespace {

constexpr int kUsageError = 2;

void add_overrides(CLI::App& command, std::vector<std::string>& overrides) {
  command
      .add_option("--set", overrides,
                  "Override one key, as in --set server.threads=2; may be given several times")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void add_config(CLI::App& command, std::string& config) {
  command
      .add_option("-c,--config", config,
                  "The configuration (default: ./millrace.toml, else the built-in defaults)")
      ->type_name("FILE");
}

CLI::App* add_serve(CLI::App& app, ServeCommand& serve) {
  CLI::App* command = app.add_subcommand("serve", "Run the server");
  add_config(*command, serve.config);
  add_overrides(*command, serve.overrides);
  command->footer(
      "Signals: SIGTERM or SIGINT drains (a second one stops at once), SIGHUP reloads the\n"
      "configuration, SIGUSR1 reopens the logs.\n"
      "Exit codes: 0 fine, 1 failure (a busy port too), 2 usage or configuration error.");
  return command;
}

CLI::App* add_proxy(CLI::App& app, ProxyCommand& proxy) {
  CLI::App* command = app.add_subcommand("proxy", "Run a reverse proxy with no file at all");
  command->add_option("--to", proxy.targets, "Where requests go; several are taken in turn")
      ->type_name("URL[,URL...]")
      ->delimiter(',')
      ->required();
  command
      ->add_option("--listen", proxy.listen,
                   "host:port, [v6]:port or unix:/path; port 0: any free one")
      ->type_name("ADDR")
      ->capture_default_str();
  add_overrides(*command, proxy.overrides);
  command->footer("Example: millrace proxy --to http://127.0.0.1:8000 --listen 127.0.0.1:8080");
  return command;
}

/// What stands behind "--" is the command, whatever it looks like; CLI11 sees nothing of it.
std::vector<std::string> take_command(int& argc, const char* const* argv) {
  std::vector<std::string> command;
  if (argc < 2 || std::string_view(argv[1]) != "run") return command;
  for (int i = 2; i < argc; ++i) {
    if (std::string_view(argv[i]) != "--") continue;
    command.assign(argv + i + 1, argv + argc);
    argc = i;
  }
  return command;
}

CLI::App* add_run(CLI::App& app, RunCommand& run) {
  CLI::App* command =
      app.add_subcommand("run", "Start a service and run a reverse proxy in front of it");
  command->add_option("--workers", run.workers, "How many instances of it are started")
      ->type_name("N")
      ->check(CLI::Range(1, 1'024))
      ->capture_default_str();
  command
      ->add_option("--listen", run.listen,
                   "host:port, [v6]:port or unix:/path; port 0: any free one")
      ->type_name("ADDR")
      ->capture_default_str();
  add_overrides(*command, run.overrides);
  command->footer(
      "In CMD {socket} is the path of a socket and {port} a port to listen on, {index} counts the\n"
      "instances from 0 and {name} is \"app\"; without {socket} or {port} CMD is to listen on "
      "$PORT.\n"
      "SIGHUP replaces the instances one after the other. --set process.app.KEY=VALUE sets the "
      "rest.\n"
      "Example: millrace run --workers 2 -- uvicorn app:app --uds {socket}");
  return command;
}

CLI::App* add_check(CLI::App& app, CheckCommand& check) {
  CLI::App* command = app.add_subcommand("check", "Validate a configuration");
  add_config(*command, check.config);
  add_overrides(*command, check.overrides);
  auto* print = command->add_flag("--print", check.print, "Show the effective configuration");
  command->add_flag("--schema", check.schema, "Show the JSON Schema of the file")->excludes(print);
  return command;
}

struct ExplainArguments {
  ExplainCommand command;
  std::vector<std::string> headers;
};

CLI::App* add_explain(CLI::App& app, ExplainArguments& arguments) {
  ExplainCommand& explain = arguments.command;
  CLI::App* command =
      app.add_subcommand("explain", "Tell which route a request takes, and where to");
  command->add_option("METHOD", explain.method, "GET, POST...")->required();
  command->add_option("URL", explain.url, "/path, or http://host/path where routes go by host")
      ->required();
  command->add_option("-H,--header", arguments.headers, "A field of the request")
      ->type_name("'NAME: VALUE'")
      ->allow_extra_args(false);
  add_config(*command, explain.config);
  add_overrides(*command, explain.overrides);
  command->footer("Example: millrace explain GET 'http://api.example.com/users?page=2'");
  return command;
}

/// The error is a line for a person.
std::expected<ExplainCommand, std::string> to_explain_command(ExplainArguments arguments) {
  for (const std::string& text : arguments.headers) {
    auto header = parse_header(text);
    if (!header) return std::unexpected(header.error());
    arguments.command.headers.push_back(std::move(*header));
  }
  return std::move(arguments.command);
}

/// The first argument where it is neither a command nor an option: CLI11 would only say that one is
/// missing.
std::string_view unknown_command(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2 || argv[1][0] == '-') return {};
  const auto named = [&](const CLI::App* command) { return command->check_name(argv[1]); };
  return app.get_subcommands(named).empty() ? argv[1] : "";
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  CLI::App app(
      "Millrace: fast and calm HTTP for Python teams.\n"
      "A reverse proxy, fetcher and image/compute server in one binary.",
      "millrace");
  app.set_version_flag("--version", std::string("millrace ") + kVersion);
  app.require_subcommand(1);
  app.footer("'millrace COMMAND --help' tells more.");

  ServeCommand serve;
  ProxyCommand proxy;
  RunCommand run;
  CheckCommand check;
  ExplainArguments explain;
  FetchArguments fetch;
  ControlArguments control;
  const CLI::App* serve_command = add_serve(app, serve);
  const CLI::App* proxy_command = add_proxy(app, proxy);
  const CLI::App* run_command = add_run(app, run);
  const CLI::App* fetch_command = add_fetch(app, fetch);
  add_check(app, check);
  const CLI::App* explain_command = add_explain(app, explain);
  add_control(app, control);

  if (const std::string_view unknown = unknown_command(app, argc, argv); !unknown.empty()) {
    std::cerr << "millrace: there is no command '" << unknown
              << "'; 'millrace --help' lists them\n";
    return Exit{kUsageError};
  }
  run.command = take_command(argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& shown) {  // --help, --version
    return Exit{app.exit(shown)};
  } catch (const CLI::ParseError& error) {
    app.exit(error, std::cerr, std::cerr);
    return Exit{kUsageError};
  }
  if (serve_command->parsed()) return serve;
  if (proxy_command->parsed()) return proxy;
  if (run_command->parsed() && run.command.empty()) {
    std::cerr
        << "millrace: run needs a command behind --, such as: millrace run -- uvicorn app:app "
           "--uds {socket}\n";
    return Exit{kUsageError};
  }
  if (run_command->parsed()) return run;
  if (explain_command->parsed()) {
    auto command = to_explain_command(std::move(explain));
    if (command) return std::move(*command);
    std::cerr << "millrace: " << command.error() << '\n';
    return Exit{kUsageError};
  }
  if (fetch_command->parsed()) {
    auto command = to_fetch_command(std::move(fetch));
    if (command) return std::move(*command);
    std::cerr << "millrace: " << command.error() << '\n';
    return Exit{kUsageError};
  }
  auto command = to_control_command(app, std::move(control));
  if (!command) {
    std::cerr << "millrace: " << command.error() << '\n';
    return Exit{kUsageError};
  }
  if (*command) return std::move(**command);
  return check;
}

}  // namespace millrace::app
