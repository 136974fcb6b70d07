// From a file to a Config: parsing, environment, overrides, checks.
//
// Nothing throws and nothing is printed. A file with errors gives no configuration but all of its
// errors; only a syntax error comes alone, because nothing behind it can be trusted.
//
// Thread rule: pure but for reading the named files and the environment; call from any thread.
#pragma once

#include "config/config.hpp"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

/// One error or warning: where, and a sentence with what was expected and, for typing mistakes,
/// what was meant.
struct Diagnostic {
  enum class Severity : std::uint8_t { kError, kWarning };

  std::string source;        ///< the file as it was named, or `--set key=value`
  std::uint32_t line = 0;    ///< from 1; 0: the error has no place within the source
  std::uint32_t column = 0;  ///< from 1, in characters
  std::string message;
  Severity severity = Severity::kError;

  /// "millrace.toml:3:11: error: ..."
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};

/// Either a configuration or at least one error.
struct Loaded {
  std::shared_ptr<const Config> config;
  std::vector<Diagnostic> errors;  ///< in file order, then in the order of the overrides
  /// What should be known of a configuration that is valid; in the same order.
  std::vector<Diagnostic> warnings = {};
};

/// The value of an environment variable, if it is set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
[[nodiscard]] Environment process_environment();

/// A bigger file is no configuration: refused before it is read into memory.
inline constexpr std::size_t kFileBytesMax = 4 << 20;

/// `overrides`: the arguments of --set, "server.threads=2", applied in order. An element of an
/// array is named by its index: "route.0.upstream=api". Relative paths in them begin in the working
/// directory.
[[nodiscard]] Loaded load_file(const std::filesystem::path& path,
                               std::span<const std::string> overrides = {},
                               const Environment& environment = process_environment());

/// `name` stands for the file: in messages, and its folder is where relative paths begin.
[[nodiscard]] Loaded load_text(std::string_view text, const std::string& name,
                               std::span<const std::string> overrides = {},
                               const Environment& environment = process_environment());

/// The [admin] of a file in which other things may be wrong, as for a program that only wants to
/// know where a running server is asked. The error: there is no file, or it is no TOML.
[[nodiscard]] std::expected<Admin, Diagnostic> load_admin(
    const std::filesystem::path& path, const Environment& environment = process_environment());

/// What an empty file gives.
[[nodiscard]] std::shared_ptr<const Config> defaults();

/// The whole configuration as TOML, every key written out. Loading it gives an equal Config.
[[nodiscard]] std::string print(const Config& config);

/// `{ path = "/api/*", ... }`: what is asked of a request, as in the file.
[[nodiscard]] std::string print_match(const RouteMatch& match);

/// JSON Schema (draft 2020-12) of the file, for editors.
[[nodiscard]] std::string json_schema();

/// The names that `endpoint = "..."` takes, in the order in which errors list them.
[[nodiscard]] std::span<const std::string_view> endpoint_names();

}  // namespace millrace::config
