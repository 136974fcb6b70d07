// From a definition to what spawn() takes: placeholders, environment, the program's place.
//
// Thread rule: any.
#pragma once

#include "config/process.hpp"
#include "process/probe.hpp"
#include "process/spawn.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::process {

/// What the placeholders stand for.
struct Placeholders {
  std::string name;
  unsigned index = 0;
  std::string socket;
  std::uint16_t port = 0;
};

/// How an instance is told where to listen.
enum class Told : std::uint8_t { kSocket, kPort, kByEnvironment };
[[nodiscard]] Told told_by(const config::Process& definition);

/// `{socket}`, `{port}`, `{index}` and `{name}`; anything else in braces stays.
[[nodiscard]] std::string expand(std::string_view text, const Placeholders& values);

/// The file that runs when `program` is typed: searched in PATH unless there is a slash in it, then
/// against `directory`. Error: a sentence.
[[nodiscard]] std::expected<std::string, std::string> find_program(const std::string& program,
                                                                   std::string_view path,
                                                                   const std::string& directory);

/// Everything for a start. Ours is `environ`; what systemd tells us alone is left out of it. Error:
/// a sentence.
[[nodiscard]] std::expected<SpawnSpec, std::string> plan_launch(const config::Process& definition,
                                                                const Placeholders& values);

/// For alert commands: `variables` ("NAME=value") beside our own environment.
[[nodiscard]] std::expected<SpawnSpec, std::string> plan_command(
    const config::Command& command, std::vector<std::string> variables);

}  // namespace millrace::process
