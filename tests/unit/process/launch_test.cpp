#include "process/launch.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

namespace millrace::process {
namespace {

const Placeholders kValues{.name = "ml", .index = 3, .socket = "/run/x.sock", .port = 8001};

config::Process definition(std::vector<std::string> words) {
  config::Process out;
  out.command.words = std::move(words);
  return out;
}

std::string variable(const SpawnSpec& spec, const std::string& name) {
  const auto at = std::ranges::find_if(
      spec.environment, [&](const std::string& e) { return e.starts_with(name + "="); });
  return at == spec.environment.end() ? "(none)" : at->substr(name.size() + 1);
}

TEST(Launch, ExpandsWhatItKnows) {
  EXPECT_EQ(expand("{socket} {port} {index} {name}", kValues), "/run/x.sock 8001 3 ml");
  EXPECT_EQ(expand("unix:{socket},{port}{port}", kValues), "unix:/run/x.sock,80018001");
  EXPECT_EQ(expand("{\"port\": {other}} {", kValues), "{\"port\": {other}} {");
}

TEST(Launch, TellsHowAnInstanceIsTold) {
  EXPECT_EQ(told_by(definition({"a", "--uds={socket}"})), Told::kSocket);
  EXPECT_EQ(told_by(definition({"a", "{port}"})), Told::kPort);
  EXPECT_EQ(told_by(definition({"a", "{port}", "{socket}"})), Told::kSocket);
  EXPECT_EQ(told_by(definition({"a", "{index}"})), Told::kByEnvironment);
  config::Process by_variable = definition({"a"});
  by_variable.environment.values["BIND"] = "unix:{socket}";
  EXPECT_EQ(told_by(by_variable), Told::kSocket);
}

TEST(Launch, GivesTheEnvironmentOfTheContract) {
  ::setenv("NOTIFY_SOCKET", "/run/systemd", 1);
  ::setenv("MILLRACE_TEST_KEPT", "yes", 1);
  config::Process d = definition({"sh", "{socket}"});
  d.environment.values = {{"BIND", "unix:{socket}"}, {"PYTHONUNBUFFERED", "0"}};
  const auto spec = plan_launch(d, kValues);
  ASSERT_TRUE(spec) << spec.error();
  EXPECT_EQ(variable(*spec, "PORT"), "8001");
  EXPECT_EQ(variable(*spec, "MILLRACE_SOCKET"), "/run/x.sock");
  EXPECT_EQ(variable(*spec, "PYTHONFAULTHANDLER"), "1");
  EXPECT_EQ(variable(*spec, "FORWARDED_ALLOW_IPS"), "*");
  EXPECT_EQ(variable(*spec, "BIND"), "unix:/run/x.sock");
  EXPECT_EQ(variable(*spec, "PYTHONUNBUFFERED"), "0") << "the configuration has the last word";
  EXPECT_EQ(variable(*spec, "MILLRACE_TEST_KEPT"), "yes");
  EXPECT_EQ(variable(*spec, "NOTIFY_SOCKET"), "(none)");
  EXPECT_EQ(
      variable(plan_launch(definition({"sh", "{port}"}), kValues).value(), "FORWARDED_ALLOW_IPS"),
      "(none)");
}

TEST(Launch, FindsPrograms) {
  EXPECT_EQ(find_program("sh", "/nowhere:/bin", "").value(), "/bin/sh");
  EXPECT_EQ(find_program("./sh", "", "/bin").value(), "/bin/sh");
  EXPECT_EQ(find_program("/bin/sh", "", "").value(), "/bin/sh");
  EXPECT_EQ(find_program("no-such-program", "/bin", "").error(),
            "there is no program \"no-such-program\" in PATH");
  EXPECT_EQ(find_program("/bin/no-such", "", "").error(), "\"/bin/no-such\" does not exist");
  EXPECT_EQ(find_program("/etc/passwd", "", "").error(), "\"/etc/passwd\" cannot be executed");
}

TEST(Launch, KnowsUsers) {
  EXPECT_EQ(find_identity("root").value().uid, 0u);
  EXPECT_EQ(find_identity("0").value().name, "root");
  EXPECT_EQ(find_identity("no-such-user").error(), "there is no user \"no-such-user\"");
}

}  // namespace
}  // namespace millrace::process
