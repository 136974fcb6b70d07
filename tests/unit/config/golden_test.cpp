// Golden cases: <case>.toml goes in, <case>.expected must come out: the error text, or the
// effective configuration. Lines of a case that begin with `#!` say what belongs to the command:
//   #! set server.threads=2
//   #! env NAME=value
// The environment of a case is only what it names. `{dir}` in an .expected is the cases' folder.
//
//   config_cases CASES_DIR CONF_DIR [--update]     --update writes what comes out instead of
//   comparing
#include "config/load.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::vector<std::string> overrides;
  std::map<std::string, std::string> variables;

  [[nodiscard]] Environment environment() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      if (found == variables.end()) return std::nullopt;
      return found->second;
    };
  }
};

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

Case parse_case(const fs::path& path) {
  Case out;
  std::istringstream lines(read_text(path));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#! set ")) out.overrides.push_back(line.substr(7));
    if (!line.starts_with("#! env ")) continue;
    const auto equals = line.find('=');
    out.variables[line.substr(7, equals - 7)] = line.substr(equals + 1);
  }
  return out;
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t i = 0; (i = text.find(what, i)) != std::string::npos; i += with.size()) {
    text.replace(i, what.size(), with);
  }
}

std::string outcome(const Loaded& loaded) {
  std::string out;
  for (const Diagnostic& warning : loaded.warnings) out += warning.text() + "\n";
  if (loaded.config) return out + print(*loaded.config);
  for (const Diagnostic& error : loaded.errors) out += error.text() + "\n";
  return out;
}

class GoldenCase : public testing::Test {
 public:
  GoldenCase(fs::path path, bool update) : path_(std::move(path)), update_(update) {}

  void TestBody() override {
    const Case setup = parse_case(path_);
    const Loaded loaded = load_file(path_, setup.overrides, setup.environment());
    ASSERT_EQ(loaded.config == nullptr, !loaded.errors.empty()) << "exactly one of both";
    std::string text = outcome(loaded);
    replace_all(text, path_.string(), path_.filename().string());
    replace_all(text, path_.parent_path().string(), "{dir}");
    const fs::path expected = fs::path(path_).replace_extension(".expected");
    if (update_) std::ofstream(expected, std::ios::binary) << text;
    ASSERT_TRUE(fs::exists(expected)) << "nothing to compare with; the outcome was:\n" << text;
    EXPECT_EQ(text, read_text(expected));
    if (loaded.config) expect_round_trip(*loaded.config);
  }

 private:
  static void expect_round_trip(const Config& config) {
    const std::string text = print(config);
    const Loaded again =
        load_text(text, "printed.toml", {}, [](const std::string&) { return std::nullopt; });
    ASSERT_TRUE(again.config) << again.errors.front().text() << "\n" << text;
    EXPECT_TRUE(*again.config == config) << text << "\nbecame\n" << print(*again.config);
  }

  const fs::path path_;
  const bool update_;
};

/// The examples that users start from.
class Example : public testing::Test {
 public:
  Example(fs::path path, fs::path pki) : path_(std::move(path)), pki_(std::move(pki)) {}

  void TestBody() override {
    const std::map<std::string, std::string> variables{
        {"CERTIFICATE", (pki_ / "ecdsa.pem").string()},
        {"CERTIFICATE_KEY", (pki_ / "ecdsa.key").string()},
        {"CERTIFICATE_AUTHORITY", (pki_ / "rsa.pem").string()},
    };
    const Case setup{{}, variables};
    const Loaded loaded = load_file(path_, {}, setup.environment());
    ASSERT_TRUE(loaded.config) << outcome(loaded);
    if (path_.filename() != "millrace.toml") return;
    EXPECT_EQ(print(*loaded.config), print(*defaults()))
        << "it says that all values are the defaults";
  }

 private:
  const fs::path path_, pki_;
};

std::vector<fs::path> toml_files(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".toml") out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

/// An .expected whose .toml is gone would never be compared again.
class NoOrphans : public testing::Test {
 public:
  explicit NoOrphans(fs::path folder) : folder_(std::move(folder)) {}
  void TestBody() override {
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().extension() != ".expected") continue;
      EXPECT_TRUE(fs::exists(fs::path(entry.path()).replace_extension(".toml"))) << entry.path();
    }
  }

 private:
  const fs::path folder_;
};

void add_tests(const fs::path& cases, const fs::path& conf, bool update) {
  for (const fs::path& path : toml_files(cases)) {
    testing::RegisterTest(
        "Case", path.stem().c_str(), nullptr, nullptr, path.c_str(), 1,
        [path, update]() -> testing::Test* { return new GoldenCase(path, update); });
  }
  for (const fs::path& path : toml_files(conf)) {
    testing::RegisterTest(
        "Example", path.stem().c_str(), nullptr, nullptr, path.c_str(), 1,
        [path, cases]() -> testing::Test* { return new Example(path, cases / "pki"); });
  }
  testing::RegisterTest("Cases", "EveryExpectedTextHasItsCase", nullptr, nullptr, __FILE__,
                        __LINE__, [cases]() -> testing::Test* { return new NoOrphans(cases); });
}

}  // namespace
}  // namespace millrace::config

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc < 3) {
    std::cerr << "usage: config_cases CASES_DIR CONF_DIR [--update]\n";
    return 2;
  }
  const std::filesystem::path cases(argv[1]), conf(argv[2]);
  const bool update = argc > 3 && std::string_view(argv[3]) == "--update";
  millrace::config::add_tests(std::filesystem::canonical(cases), std::filesystem::canonical(conf),
                              update);
  return RUN_ALL_TESTS();
}
