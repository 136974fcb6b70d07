#include "app/status_text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

TEST(StatusText, TellsWhatIsThere) {
  const Json status = Json::parse(R"({"version": "1.2.3", "uptime_seconds": 3725.9, "ready": true,
      "draining": false, "threads": 2, "admin": "127.0.0.1:9901",
      "listeners": [{"address": "127.0.0.1:80", "tls": false, "egress": false},
                    {"address": "[::1]:443", "tls": true, "egress": false}],
      "connections": {"active": 4}, "requests": {"total": 17},
      "configuration": {"source": "a.toml", "generation": 3, "age_seconds": 0.4,
                        "generations_in_use": 2, "last_failure": "a.toml:1:1: error: no"},
      "upstreams": {"upstreams": [{"name": "api", "state": "up", "targets": 2}]},
      "processes": {"ml": {"state": "ready"}}})");
  EXPECT_EQ(status_text(status),
            "millrace 1.2.3, up 1h 2m, ready\n"
            "configuration  a.toml, generation 3, loaded 0s ago, 2 in use\n"
            "last reload    failed: a.toml:1:1: error: no\n"
            "listen         127.0.0.1:80, [::1]:443 (tls)\n"
            "admin          127.0.0.1:9901\n"
            "threads        2\n"
            "connections    4 open\n"
            "requests       17\n"
            "\nupstreams\n"
            "  api          state=up targets=2\n"
            "\nprocesses\n"
            "  ml           state=ready\n");
}

TEST(StatusText, DoesWithoutWhatIsMissing) {
  EXPECT_EQ(status_text(Json::object()), "millrace , up 0s, not ready\n");
}

TEST(ProcessNames, ComeFromEitherForm) {
  const std::vector<std::string> names{"a", "b"};
  EXPECT_EQ(process_names(Json::parse(R"({"a": {}, "b": {}})")), names);
  EXPECT_EQ(process_names(Json::parse(R"({"processes": [{"name": "a"}, {"name": "b"}]})")), names);
  EXPECT_TRUE(process_names(Json()).empty());
  EXPECT_TRUE(process_names(Json::parse("3")).empty());
}

}  // namespace
}  // namespace millrace::app
