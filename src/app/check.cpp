#include "app/check.hpp"

#include <filesystem>
#include <iostream>

namespace millrace::app {

namespace {
constexpr const char* kDefaultFile = "millrace.toml";
}

std::string config_file(const std::string& file) {
  std::error_code ec;
  if (file.empty() && std::filesystem::exists(kDefaultFile, ec)) return kDefaultFile;
  return file;
}

config::Loaded load_config(const std::string& file, const std::vector<std::string>& overrides) {
  if (!file.empty()) return config::load_file(file, overrides);
  return config::load_text("", kBuiltInDefaults, overrides);
}

void print_diagnostics(const config::Loaded& loaded) {
  for (const config::Diagnostic& error : loaded.errors) std::cerr << error.text() << '\n';
  for (const config::Diagnostic& warning : loaded.warnings) std::cerr << warning.text() << '\n';
}

int check(const CheckCommand& command) {
  if (command.schema) {
    std::cout << config::json_schema() << '\n';
    return 0;
  }
  const config::Loaded loaded = load_config(config_file(command.config), command.overrides);
  print_diagnostics(loaded);
  if (!loaded.config) return 2;
  if (command.print)
    std::cout << config::print(*loaded.config);
  else
    std::cout << "the configuration is valid\n";
  return 0;
}

}  // namespace millrace::app
