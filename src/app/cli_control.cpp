#include "app/cli_control.hpp"

#include "config/units.hpp"

#include <utility>

#include <CLI/CLI.hpp>

namespace millrace::app {
namespace {

CLI::App* add(CLI::App& app, const std::string& name, const std::string& what, ControlCommand& to) {
  CLI::App* command = app.add_subcommand(name, what);
  auto* config =
      command
          ->add_option("-c,--config", to.config,
                       "The server's configuration, whose admin.listen is asked (default: "
                       "./millrace.toml, else 127.0.0.1:9901)")
          ->type_name("FILE");
  command->add_option("--admin", to.admin, "Its admin address instead")
      ->type_name("HOST:PORT|unix:PATH")
      ->excludes(config);
  command->add_flag("--json", to.json, "JSON also on a terminal");
  command->footer("Exit codes: 0 done, 1 not done or no server there, 2 usage error.");
  return command;
}

}  // namespace

void add_control(CLI::App& app, ControlArguments& arguments) {
  arguments.status.action = ControlCommand::Action::kStatus;
  arguments.reload.action = ControlCommand::Action::kReload;
  arguments.drain.action = ControlCommand::Action::kDrain;
  arguments.restart.action = ControlCommand::Action::kRestart;
  add(app, "status", "What a running server does", arguments.status);
  add(app, "reload", "Have a running server read its configuration anew", arguments.reload);
  CLI::App* drain = add(app, "drain", "Have a running server finish and end", arguments.drain);
  drain->add_flag("--wait", arguments.drain.wait, "Return when it has ended");
  drain->add_option("--timeout", arguments.timeout, "How long --wait waits")
      ->type_name("TIME")
      ->capture_default_str();
  CLI::App* restart = add(app, "restart", "Replace the instances of a [process.NAME], one by one",
                          arguments.restart);
  restart->add_option("NAME", arguments.restart.name, "Of the process")->required();
}

std::expected<std::optional<ControlCommand>, std::string> to_control_command(
    const CLI::App& app, ControlArguments arguments) {
  if (app.got_subcommand("status")) return std::move(arguments.status);
  if (app.got_subcommand("reload")) return std::move(arguments.reload);
  if (app.got_subcommand("restart")) return std::move(arguments.restart);
  if (!app.got_subcommand("drain")) return std::nullopt;
  const auto timeout = config::parse_duration(arguments.timeout);
  if (!timeout) return std::unexpected("--timeout: " + timeout.error());
  arguments.drain.timeout = *timeout;
  return std::move(arguments.drain);
}

}  // namespace millrace::app
