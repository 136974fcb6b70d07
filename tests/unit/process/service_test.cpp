// A service with real children, and a host that only remembers.
#include "process/service.hpp"

#include "process/supervisor.hpp"
#include "unit/runtime/run.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace millrace::process {
namespace {

using namespace std::chrono_literals;

// Answers every request with its pid; {socket} is its argument.
constexpr const char* kServer = R"(
import os, signal, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
print("listening", flush=True)
while True:
    peer, _ = listener.accept()
    try:
        peer.recv(4096)
        peer.sendall(b"HTTP/1.1 %s OK\r\nContent-Length: 0\r\n\r\n" % sys.argv[2].encode())
    except OSError:
        pass
    peer.close()
)";

class FakeHost final : public Host {
 public:
  void publish(const std::string&, TargetSet set) override { sets.push_back(std::move(set)); }
  std::uint64_t in_flight(const std::string&, const std::string& target) const override {
    return target == busy ? 1 : 0;
  }
  void post_alert(const std::string&, std::string json) override {
    alerts.push_back(std::move(json));
  }
  Task<std::vector<std::string>> requests_at(std::string, std::string) override {
    co_return std::vector<std::string>{"request-1"};
  }
  void never_listened(const std::string&, const std::string& hint) override {
    hints.push_back(hint);
  }
  unsigned io_threads() const override { return 1; }

  [[nodiscard]] std::size_t serving() const {
    return sets.empty() ? 0 : sets.back().targets.size();
  }
  [[nodiscard]] std::string first() const { return sets.back().targets.front().name; }

  std::vector<TargetSet> sets;
  std::vector<std::string> alerts, hints;
  std::string busy;
};

config::Process server(std::string status = "200") {
  config::Process d;
  d.command.words = {"/usr/bin/python3", "-S", "-c", kServer, "{socket}", std::move(status)};
  d.stop_timeout = 500ms;
  d.alert.url = "http://127.0.0.1:1/";
  return d;
}

config::Process shell(std::string script) {
  config::Process d;
  d.command.words = {"/bin/sh", "-c", std::move(script)};
  d.alert.url = "http://127.0.0.1:1/";
  return d;
}

class ServiceTest : public testing::Test {
 protected:
  using Body = std::function<Task<void>(Service&)>;

  static Task<void> play(Service& service, Body body) {
    TaskGroup group;
    group.spawn(service.run());
    co_await body(service);
    service.stop(false);
    co_await group.join();
  }
  void run(config::Process definition, Body body) {
    IoThread io(0);
    Service service("ml", std::move(definition), host_);
    const auto prepared = service.prepare();
    ASSERT_TRUE(prepared) << prepared.error();
    test::run(io, play(service, std::move(body)));
    EXPECT_TRUE(service.status().instances.empty());
  }
  static Task<bool> until(std::function<bool()> condition) {
    for (const TimePoint end = Clock::now() + 20s; Clock::now() < end;) {
      if (condition()) co_return true;
      (void)co_await sleep_for(2ms);
    }
    co_return false;
  }

  FakeHost host_;
};

TEST_F(ServiceTest, ServesWhenItAnswersAndIsReplacedWhenItIsKilled) {
  run(server(), [this](Service& service) -> Task<void> {
    EXPECT_TRUE(co_await until([&] { return host_.serving() == 1; }));
    EXPECT_EQ(host_.first(), "ml/0#1");
    EXPECT_EQ(host_.sets.back().targets.front().seat, "ml/0");
    const SupervisedStatus before = service.status();
    EXPECT_EQ(before.state, "serving");
    EXPECT_EQ(before.instances.size(), 1u);
    ::kill(before.instances.front().pid, SIGKILL);
    EXPECT_TRUE(co_await until([&] { return host_.serving() == 1 && host_.first() == "ml/0#2"; }));
    const SupervisedStatus after = service.status();
    EXPECT_EQ(after.exits.size(), 1u);
    EXPECT_EQ(after.exits.front().reason, "killed by SIGKILL");
    EXPECT_EQ(after.exits.front().cause, "");
    EXPECT_EQ(after.exits.front().last_lines, std::vector<std::string>{"listening"});
    EXPECT_EQ(after.failures, 0u);
    EXPECT_NE(host_.alerts.front().find("killed by SIGKILL"), std::string::npos);
  });
}

TEST_F(ServiceTest, ServerErrorsAreNotReady) {
  config::Process d = server("500");
  d.ready_timeout = 2s;
  run(d, [this](Service& service) -> Task<void> {
    EXPECT_TRUE(co_await until([&] { return service.status().failures == 1; }));
    EXPECT_EQ(host_.serving(), 0u);
    EXPECT_EQ(service.status().last_error, "not ready in time: answered with status 500");
    EXPECT_TRUE(host_.hints.empty()) << "it was told where to listen";
  });
}

TEST_F(ServiceTest, APathWantsSuccess) {
  for (const auto& [status, good] : {std::pair{"399", true}, std::pair{"400", false}}) {
    config::Process d = server(status);
    d.ready = {config::Ready::Kind::kPath, "/health"};
    d.ready_timeout = 2s;
    host_.sets.clear();
    run(d, [this, ready = good](Service& service) -> Task<void> {
      EXPECT_TRUE(
          co_await until([&] { return host_.serving() == 1 || service.status().failures == 1; }));
      EXPECT_EQ(host_.serving(), ready ? 1u : 0u);
    });
  }
}

TEST_F(ServiceTest, WhatNeverListensIsToldWhatToAdd) {
  config::Process d = shell("exec sleep 600");
  d.ready_timeout = 200ms;
  run(d, [this](Service&) -> Task<void> {
    EXPECT_TRUE(co_await until([&] { return !host_.hints.empty(); }));
    EXPECT_NE(host_.hints.front().find("--uds {socket}"), std::string::npos);
  });
}

TEST_F(ServiceTest, PortAloneIsEnough) {
  config::Process d = shell(
      "exec /usr/bin/python3 -S -c 'import os,socket\n"
      "s=socket.create_server((\"127.0.0.1\",int(os.environ[\"PORT\"])))\n"
      "while 1: s.accept()[0].close()'");
  d.ready = {config::Ready::Kind::kSocket, {}};
  run(d, [this](Service&) -> Task<void> {
    EXPECT_TRUE(co_await until([&] { return host_.serving() == 1; }));
    EXPECT_NE(host_.sets.back().targets.front().endpoint.port, 0);
    EXPECT_EQ(host_.sets.back().targets.front().endpoint.unix_path, "");
  });
}

TEST_F(ServiceTest, AnOldOneIsStoppedOnlyWhenItsRequestsHaveEnded) {
  run(server(), [this](Service& service) -> Task<void> {
    EXPECT_TRUE(co_await until([&] { return host_.serving() == 1; }));
    host_.busy = host_.first();
    service.restart("test");
    EXPECT_TRUE(co_await until([&] { return host_.first() == "ml/0#2"; }));
    EXPECT_TRUE(co_await until([&] {
      const auto status = service.status();
      return status.instances.size() == 2 && status.instances.front().state == "draining";
    }));
    EXPECT_EQ(service.status().exits_total, 0u);
    host_.busy.clear();
    EXPECT_TRUE(co_await until([&] { return service.status().instances.size() == 1; }));
    EXPECT_EQ(service.status().exits.front().cause, "rollout");
    EXPECT_EQ(service.status().rollouts, 1u);
  });
}

TEST_F(ServiceTest, ABrokenDefinitionKeepsTheOldOneServing) {
  run(server(), [this](Service& service) -> Task<void> {
    EXPECT_TRUE(co_await until([&] { return host_.serving() == 1; }));
    config::Process broken = shell("echo no module named app >&2; exit 1");
    service.redefine(broken);
    EXPECT_TRUE(co_await until([&] { return service.status().exits_total == 1; }));
    EXPECT_TRUE(co_await until([&] { return !service.status().rolling_out; }));
    EXPECT_EQ(host_.first(), "ml/0#1");
    EXPECT_EQ(service.status().last_error, "exited with status 1: no module named app");
    service.redefine(broken);
    EXPECT_FALSE(service.status().rolling_out) << "the same is not tried again";
    ::kill(service.status().instances.front().pid, SIGKILL);
    EXPECT_TRUE(co_await until([&] { return host_.serving() == 1 && host_.first() != "ml/0#1"; }))
        << "what is lost is started as it was";
  });
}

TEST_F(ServiceTest, AShellInFrontPassesNothingOnAndItsServiceStillStopsInOrder) {
  config::Process d = shell(
      "/usr/bin/python3 -S -c '\n"
      "import signal,socket,sys\n"
      "def end(*_): print(\"in order\",flush=True); sys.exit(0)\n"
      "signal.signal(signal.SIGTERM,end)\n"
      "s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
      "while 1: s.accept()[0].close()' {socket}; true");
  d.ready = {config::Ready::Kind::kSocket, {}};
  d.stop_timeout = 5s;
  SupervisedStatus status;
  run(d, [&](Service& service) -> Task<void> {
    EXPECT_TRUE(co_await until([&] { return host_.serving() == 1; }));
    service.restart("test");
    EXPECT_TRUE(co_await until([&] { return service.status().exits_total == 1; }));
    status = service.status();
  });
  EXPECT_EQ(status.exits.front().last_lines, std::vector<std::string>{"in order"});
}

TEST_F(ServiceTest, WhatIgnoresSigtermIsKilled) {
  config::Process d = shell("trap '' TERM; while :; do sleep 0.05; done");
  d.ready_timeout = 100ms;
  d.stop_timeout = 100ms;
  run(d, [](Service& service) -> Task<void> {
    EXPECT_TRUE(co_await until([&] { return service.status().exits_total >= 1; }));
    EXPECT_EQ(service.status().exits.front().reason, "killed by SIGKILL");
    EXPECT_EQ(service.status().exits.front().cause, "not_ready");
  });
}

// Requests that fail have it knocked at.
TEST_F(ServiceTest, OneThatListensNoLongerIsReplaced) {
  config::Process d = shell(
      "exec /usr/bin/python3 -S -c '\n"
      "import signal,socket,sys,time\n"
      "s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
      "signal.signal(signal.SIGUSR1,lambda *_: s.close())\n"
      "while s.fileno()>=0:\n"
      "  try: s.accept()[0].close(); print(\"accepted\",flush=True)\n"
      "  except OSError: pass\n"
      "time.sleep(600)' {socket}");
  d.ready = {config::Ready::Kind::kSocket, {}};
  d.stop_timeout = 500ms;
  run(d, [this](Service& service) -> Task<void> {
    EXPECT_TRUE(co_await until([&] { return host_.serving() == 1; }));
    const auto kept = host_.sets.back().targets.front().use;
    TargetUse& use = *kept;
    use.shard(0).begin();
    use.shard(0).answer();
    use.shard(0).end(true, TargetUse::Shard::How::kAny);
    ::kill(service.status().instances.front().pid, SIGUSR1);
    use.shard(0).begin();
    use.shard(0).end(false, TargetUse::Shard::How::kRefused);
    EXPECT_TRUE(co_await until([&] { return host_.serving() == 1 && host_.first() == "ml/0#2"; }));
    EXPECT_TRUE(co_await until([&] { return service.status().exits_total == 1; }));
    const SupervisedStatus status = service.status();
    EXPECT_EQ(status.exits.front().cause, "deaf");
    EXPECT_EQ(status.last_error, "instance 0 listens no longer");
    EXPECT_EQ(status.failures, 0u);
    EXPECT_NE(host_.alerts.front().find(R"("event":"deaf")"), std::string::npos);
  });
}

TEST_F(ServiceTest, AnAlertCommandGetsWhatHasHappened) {
  config::Process d = shell("exit 7");
  const std::string file = testing::TempDir() + "millrace-alert-" + std::to_string(::getpid());
  d.alert.command.words = {"/bin/sh", "-c", "echo \"$MILLRACE_ALERT\" > " + file};
  std::string text;
  run(d, [&](Service&) -> Task<void> {
    EXPECT_TRUE(co_await until([&] {
      std::ifstream in(file);
      return static_cast<bool>(std::getline(in, text));
    }));
  });
  EXPECT_NE(text.find(R"("process":"ml","event":"exited")"), std::string::npos) << text;
  EXPECT_NE(text.find("exited with status 7"), std::string::npos) << text;
  std::remove(file.c_str());
}

TEST(SupervisorTest, MissingProgramsAreToldBeforeAnythingStarts) {
  FakeHost host;
  config::Process d;
  d.command.words = {"no-such-program"};
  Supervisor supervisor({{"ml", d}}, host);
  EXPECT_EQ(supervisor.prepare().error(),
            "process.ml: there is no program \"no-such-program\" in PATH");
}

TEST(SupervisorTest, AChangeThatCannotBeStartedIsRefusedBeforeAnythingChanges) {
  FakeHost host;
  config::Process gone, program, user;
  gone.command.words = {"gone-since"};
  program.command.words = {"no-such-program"};
  user.command.words = {"true"};
  user.user = "no-such-user";
  Supervisor supervisor({{"ml", gone}}, host);
  EXPECT_EQ(supervisor.stage({{"ml", program}}).error(),
            "process.ml: there is no program \"no-such-program\" in PATH");
  EXPECT_EQ(supervisor.stage({{"ml", user}}).error(),
            "process.ml: there is no user \"no-such-user\"");
  EXPECT_EQ(supervisor.stage({{"ml", gone}, {"other", user}}).error(),
            "process.other: there is no user \"no-such-user\"");
  EXPECT_TRUE(supervisor.stage({{"ml", gone}})) << "what stays is not touched";
}

}  // namespace
}  // namespace millrace::process
