// The arguments of `millrace fetch`.
#pragma once

#include "app/cli.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace millrace::app {

/// As they were typed.
struct FetchArguments {
  FetchCommand command;
  std::string timeout;
  std::string connect_timeout;
  std::vector<std::string> headers;
  std::string method;
};

/// "NAME: VALUE". The error is a sentence for the user.
[[nodiscard]] std::expected<std::pair<std::string, std::string>, std::string> parse_header(
    std::string_view text);

CLI::App* add_fetch(CLI::App& app, FetchArguments& arguments);

/// The error is a sentence for the user. Reads the file of `--data @FILE`.
[[nodiscard]] std::expected<FetchCommand, std::string> to_fetch_command(FetchArguments arguments);

}  // namespace millrace::app
