#include "config/load.hpp"

#include "config/check.hpp"
#include "config/keys.hpp"
#include "config/overrides.hpp"
#include "config/reader.hpp"
#include "config/substitute.hpp"
#include "config/toml.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

namespace millrace::config {
namespace {

Loaded failed(Diagnostic error) {
  return {nullptr, {std::move(error)}};
}

/// Source names of diagnostics: the file, then one per override.
std::vector<std::string> source_names(const std::string& file,
                                      std::span<const std::string> overrides) {
  std::vector<std::string> out{file};
  for (const std::string& argument : overrides) out.push_back("--set " + argument);
  return out;
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  std::error_code ignored;
  const auto folder = std::filesystem::absolute(file, ignored).parent_path();
  return folder.empty() ? std::filesystem::path("/") : folder;
}

std::expected<std::string, Diagnostic> read_file(const std::filesystem::path& path) {
  const auto error_of = [&](std::string why) {
    return std::unexpected(Diagnostic{path.string(), 0, 0, std::move(why)});
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return error_of("is a directory");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return error_of(std::string("cannot be read: ") + std::strerror(errno));
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return error_of(std::string("cannot be read: ") + std::strerror(errno));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kFileBytesMax) return error_of("is larger than " + format_size(kFileBytesMax));
  return text;
}

}  // namespace

std::string Diagnostic::text() const {
  std::string out = source + ":";
  if (line != 0) out += std::to_string(line) + ":" + std::to_string(column) + ":";
  return out + (severity == Severity::kError ? " error: " : " warning: ") + message;
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Loaded load_text(std::string_view text, const std::string& name,
                 std::span<const std::string> overrides, const Environment& environment) {
  auto root = parse_toml(text);
  if (!root) {
    const SyntaxError& error = root.error();
    return failed({name, error.at.line, error.at.column, error.message});
  }
  Reader reader(source_names(name, overrides), folder_of(name));
  apply_overrides(reader, *root, overrides);
  substitute_all(reader, *root, environment);
  auto config = std::make_shared<Config>();
  read_config(reader, *root, *config);
  complete(*root, *config);
  check(reader, *root, *config);
  if (reader.count() != 0) return {nullptr, reader.take()};
  return {std::move(config), {}, reader.take_warnings()};
}

Loaded load_file(const std::filesystem::path& path, std::span<const std::string> overrides,
                 const Environment& environment) {
  const auto text = read_file(path);
  if (!text) return failed(text.error());
  return load_text(*text, path.string(), overrides, environment);
}

std::expected<Admin, Diagnostic> load_admin(const std::filesystem::path& path,
                                            const Environment& environment) {
  const auto text = read_file(path);
  if (!text) return std::unexpected(text.error());
  auto root = parse_toml(*text);
  if (!root) {
    const SyntaxError& error = root.error();
    return std::unexpected(
        Diagnostic{path.string(), error.at.line, error.at.column, error.message});
  }
  Reader reader(source_names(path.string(), {}), folder_of(path));
  substitute_all(reader, *root, environment);
  Config config;
  read_config(reader, *root, config);
  return config.admin;
}

std::shared_ptr<const Config> defaults() {
  return load_text("", "millrace.toml", {}, [](const std::string&) { return std::nullopt; }).config;
}

}  // namespace millrace::config
