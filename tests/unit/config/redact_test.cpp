#include "config/redact.hpp"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

TEST(Redact, KnowsSecretsByTheirNames) {
  for (const char* name : {"Authorization", "COOKIE", "Set-Cookie", "X-Api-Key", "access_token",
                           "DB_PASSWORD", "client-secret", "X-Auth"})
    EXPECT_TRUE(is_secret_name(name)) << name;
  for (const char* name : {"", "Host", "X-Keys", "tokens", "Content-Type", "Keyed"})
    EXPECT_FALSE(is_secret_name(name)) << name;
}

TEST(Redact, LeavesEverythingElse) {
  Config config;
  config.routes.emplace_back().respond =
      Respond{.status = 201, .body = "b", .headers = {{"X-Key", "hush"}, {"X-Other", "seen"}}};
  config.routes.emplace_back().endpoint = "all";
  Config expected = config;
  expected.routes[0].respond->headers["X-Key"] = "***";
  EXPECT_EQ(redacted(config), expected);
}

}  // namespace
}  // namespace millrace::config
