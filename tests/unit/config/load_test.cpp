#include "config/load.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace millrace::config {
namespace {

namespace fs = std::filesystem;

Loaded load(std::string_view text, std::vector<std::string> overrides = {}) {
  return load_text(text, "test.toml", overrides, [](const std::string&) { return std::nullopt; });
}

/// A file that goes away with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text) {
    std::string name = (fs::temp_directory_path() / "millrace-config-XXXXXX").string();
    const int descriptor = mkstemp(name.data());
    EXPECT_GE(descriptor, 0);
    path_ = name;
    std::ofstream(path_, std::ios::binary) << text;
    close(descriptor);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { fs::remove(path_); }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TEST(Load, MissingFileIsOneClearError) {
  const Loaded loaded = load_file("no/such/file.toml");
  ASSERT_EQ(loaded.errors.size(), 1U);
  EXPECT_FALSE(loaded.config);
  EXPECT_EQ(loaded.errors[0].text(),
            "no/such/file.toml: error: cannot be read: No such file or directory");
}

TEST(LoadAdmin, ErrorsElsewhereDoNotMatter) {
  const auto none = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
  const TemporaryFile file("nonsense = \"${UNSET}\"\n[admin]\nlisten = \"unix:/run/a.sock\"\n");
  const auto admin = load_admin(file.path(), none);
  ASSERT_TRUE(admin);
  EXPECT_EQ(admin->listen->text(), "unix:/run/a.sock");
  EXPECT_EQ(load_admin(TemporaryFile("").path(), none)->listen->text(), "127.0.0.1:9901");
  EXPECT_FALSE(load_admin(TemporaryFile("[admin").path(), none));
  EXPECT_FALSE(load_admin("no/such/file.toml", none));
}

TEST(Load, FolderIsOneClearError) {
  const Loaded loaded = load_file("/");
  ASSERT_EQ(loaded.errors.size(), 1U);
  EXPECT_EQ(loaded.errors[0].text(), "/: error: is a directory");
}

TEST(Load, FileEndsAtItsLimit) {
  const std::string fits = "#" + std::string(kFileBytesMax - 1, 'x');
  EXPECT_TRUE(load_file(TemporaryFile(fits).path()).config);
  const Loaded loaded = load_file(TemporaryFile(fits + "x").path());
  ASSERT_EQ(loaded.errors.size(), 1U);
  EXPECT_EQ(loaded.errors[0].message, "is larger than 4MiB");
}

TEST(Load, DefaultsAreThoseOfTheContract) {
  const auto config = defaults();
  ASSERT_TRUE(config);
  EXPECT_EQ(config->server.listen.at(0).text(), "127.0.0.1:8080");
  EXPECT_EQ(config->server.threads, 0U);
  EXPECT_TRUE(config->server.trusted_proxies.empty());
  EXPECT_EQ(config->server.head_timeout, milliseconds(10'000));
  EXPECT_EQ(config->server.idle_timeout, milliseconds(75'000));
  EXPECT_EQ(config->server.drain_timeout, milliseconds(30'000));
  EXPECT_EQ(config->limits.head_bytes, 64U << 10);
  EXPECT_EQ(config->limits.fields, 100U);
  EXPECT_EQ(config->limits.target_bytes, 8U << 10);
  EXPECT_FALSE(config->limits.body_bytes);
  EXPECT_EQ(config->admin.listen->text(), "127.0.0.1:9901");
  EXPECT_EQ(config->log.access.kind, AccessLog::Kind::kStderr);
  EXPECT_EQ(config->log.format, LogFormat::kAuto);
  EXPECT_TRUE(config->fetch.allow_hosts.at(0).matches_all());
  EXPECT_TRUE(config->fetch.allow_networks.empty());
  ASSERT_EQ(config->routes.size(), 1U);
  EXPECT_EQ(config->routes[0].match.path.text, "/*");
  EXPECT_EQ(config->routes[0].endpoint, "all");
}

TEST(Load, UpstreamDefaultsAreThoseOfTheContract) {
  const Loaded loaded = load("[upstream.api]\ntargets = [\"http://127.0.0.1:8000\"]\n");
  ASSERT_TRUE(loaded.config);
  const Upstream& api = loaded.config->upstreams.find("api")->second;
  EXPECT_EQ(api.timeout.connect, milliseconds(2'000));
  EXPECT_EQ(api.timeout.first_byte, milliseconds(60'000));
  EXPECT_EQ(api.timeout.idle, milliseconds(60'000));
  EXPECT_FALSE(api.timeout.total);
  EXPECT_EQ(api.host.kind, HostPolicy::Kind::kPreserve);
  EXPECT_TRUE(api.tls.verify);
}

TEST(Load, PathsBeginInTheFilesFolderAndThoseOfOverridesInTheWorkingDirectory) {
  constexpr std::string_view kText = "[server]\nlisten = [\"unix:run/../http.sock\"]\n";
  const std::vector<std::string> overrides{"log.access=access.log"};
  const Loaded loaded = load_text(kText, "/etc/millrace/millrace.toml", overrides);
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->server.listen.at(0).host, "/etc/millrace/http.sock");
  EXPECT_EQ(loaded.config->log.access.file, fs::current_path() / "access.log");
}

TEST(Load, ReadsTheEnvironmentOfTheProcess) {
  setenv("MILLRACE_TEST_THREADS", "7", 1);
  const Loaded loaded =
      load_text("[server]\nthreads = \"${MILLRACE_TEST_THREADS}\"\n", "test.toml");
  unsetenv("MILLRACE_TEST_THREADS");
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->server.threads, 7U);
}

TEST(Load, LaterOverridesWin) {
  const Loaded loaded = load("", {"server.threads=1", "server.threads=2"});
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->server.threads, 2U);
}

TEST(Load, OverrideCannotSmuggleASecondKey) {
  const Loaded loaded = load("", {"server.threads=1\nidle_timeout = 5"});
  ASSERT_EQ(loaded.errors.size(), 1U);
  EXPECT_NE(loaded.errors[0].message.find("got the string \"1\\nidle_timeout = 5\""),
            std::string::npos);
}

TEST(Load, ErrorsComeInFileOrderThenInThatOfTheOverrides) {
  const Loaded loaded =
      load("[limits]\nhead = 1\n[server]\nthreads = -1\n", {"log.level=x", "admin.listen=y"});
  ASSERT_EQ(loaded.errors.size(), 4U);
  EXPECT_EQ(loaded.errors[0].line, 2U);
  EXPECT_EQ(loaded.errors[1].line, 4U);
  EXPECT_EQ(loaded.errors[2].source, "--set log.level=x");
  EXPECT_EQ(loaded.errors[3].source, "--set admin.listen=y");
}

TEST(Schema, DescribesEveryPrintedKey) {
  const auto schema = nlohmann::json::parse(json_schema());
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  const auto& server = schema["properties"]["server"];
  EXPECT_EQ(server["additionalProperties"], false);
  EXPECT_EQ(server["properties"]["head_timeout"]["default"], "10s");
  EXPECT_EQ(server["properties"]["listen"]["default"][0], "127.0.0.1:8080");
  EXPECT_EQ(server["properties"]["threads"]["maximum"], 1024);
  EXPECT_EQ(schema["properties"]["limits"]["properties"]["body"]["default"], "none");
  const auto& upstream = schema["properties"]["upstream"]["additionalProperties"];
  EXPECT_FALSE(upstream.contains("required")) << "targets or process";
  EXPECT_EQ(upstream["properties"]["balance"]["enum"],
            nlohmann::json::array({"round_robin", "least_requests", "random_two", "ring_hash"}));
  EXPECT_FALSE(schema["properties"]["route"]["items"]["properties"].contains("static"))
      << "of a later version";
}

void expect_described(const nlohmann::json& schema, const std::string& path) {
  if (schema.contains("properties")) {
    for (const auto& [name, below] : schema["properties"].items()) {
      EXPECT_FALSE(below.value("description", "").empty()) << path << name;
      expect_described(below, path + name + ".");
    }
  }
  if (schema.contains("items")) expect_described(schema["items"], path + "[].");
  const auto below = schema.find("additionalProperties");
  if (below != schema.end() && below->is_object()) expect_described(*below, path + "*.");
}

TEST(Schema, SaysWhatEveryKeyIsFor) {
  expect_described(nlohmann::json::parse(json_schema()), "");
}

TEST(Endpoints, AllIsAmongThem) {
  const auto names = endpoint_names();
  EXPECT_NE(std::ranges::find(names, "all"), names.end());
  for (const std::string_view name : names) {
    EXPECT_TRUE(load("[[route]]\nendpoint = \"" + std::string(name) + "\"\n").config) << name;
  }
}

}  // namespace
}  // namespace millrace::config
