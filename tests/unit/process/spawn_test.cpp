#include "process/spawn.hpp"

#include "process/output.hpp"
#include "process/tree.hpp"
#include "unit/runtime/run.hpp"

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace::process {
namespace {

struct Outcome {
  Ending ending;
  std::vector<std::string> out, err;
};

SpawnSpec shell(std::string script) {
  return {.program = "/bin/sh",
          .arguments = {"sh", "-c", std::move(script)},
          .environment = {"PATH=/usr/bin:/bin"}};
}

Task<Ending> await_child(Descriptor& pidfd) {
  auto ending = peek_ending(pidfd);
  for (; !ending; ending = peek_ending(pidfd)) (void)co_await pidfd.readable();
  reap(pidfd);
  co_return *ending;
}

Task<void> run_child(SpawnSpec spec, Outcome& outcome, int signal) {
  auto child = spawn(spec);
  if (!child) {
    outcome.err = {child.error()};
    co_return;
  }
  TaskGroup readers;
  readers.spawn(
      read_lines(child->out, [&](std::string_view line) { outcome.out.emplace_back(line); }));
  readers.spawn(
      read_lines(child->err, [&](std::string_view line) { outcome.err.emplace_back(line); }));
  if (signal != 0) send_signal(child->pidfd, signal);
  outcome.ending = co_await await_child(child->pidfd);
  co_await readers.join();
}

Outcome run(SpawnSpec spec, int signal = 0) {
  Outcome outcome;
  IoThread io(0);
  test::run(io, run_child(std::move(spec), outcome, signal));
  return outcome;
}

TEST(Spawn, TellsOutputErrorsAndStatus) {
  const Outcome o = run(shell("echo to out; echo to err >&2; exit 3"));
  EXPECT_EQ(o.out, std::vector<std::string>{"to out"});
  EXPECT_EQ(o.err, std::vector<std::string>{"to err"});
  EXPECT_EQ(o.ending.text(), "exited with status 3");
}

TEST(Spawn, TellsTheSignal) {
  EXPECT_EQ(run(shell("exec sleep 60"), SIGKILL).ending.text(), "killed by SIGKILL");
}

TEST(Spawn, SaysWhichStepFailed) {
  SpawnSpec missing = shell("");
  missing.program = "/no/such/program";
  EXPECT_EQ(run(missing).err.front(), "cannot execute it: No such file or directory (ENOENT)");
  SpawnSpec nowhere = shell("");
  nowhere.directory = "/no/such/folder";
  EXPECT_EQ(run(nowhere).err.front(),
            "cannot change to its directory: No such file or directory (ENOENT)");
}

TEST(Spawn, LeavesNoDescriptorOpen) {
  const int leak = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  const Outcome o = run(shell("ls /proc/self/fd | tr '\\n' ' '; readlink /proc/self/fd/0"));
  ::close(leak);
  // 3 is the folder that ls itself reads.
  ASSERT_EQ(o.out.size(), 1u);
  EXPECT_EQ(o.out.front(), "0 1 2 3 /dev/null");
}

TEST(Spawn, HasSignalsAsTheyAreByDefault) {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  const Outcome o = run(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"));
  ::pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  EXPECT_EQ(o.out,
            (std::vector<std::string>{"SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"}));
}

TEST(Spawn, HasItsOwnGroupDirectoryAndEnvironment) {
  SpawnSpec spec = shell("ps -o pgid= -p $$ | tr -d ' '; echo $$; pwd; env | sort");
  spec.directory = "/usr";
  spec.environment = {"PATH=/usr/bin:/bin", "A=b c"};
  const Outcome o = run(spec);
  ASSERT_GE(o.out.size(), 5u);
  EXPECT_EQ(o.out[0], o.out[1]);
  EXPECT_EQ(o.out[2], "/usr");
  EXPECT_EQ(o.out[3], "A=b c");
}

TEST(Spawn, LimitsFilesAndMemory) {
  SpawnSpec spec = shell("ulimit -Sn; ulimit -Hn; ulimit -Sd; ulimit -Hd");
  spec.files = 77;
  spec.memory_bytes = 64ULL << 20;
  EXPECT_EQ(run(spec).out, (std::vector<std::string>{"77", "77", "65536", "65536"}));
  const auto allocate = [](const char* megabytes) {
    SpawnSpec python{
        .program = "/usr/bin/python3",
        .arguments = {"python3", "-c",
                      std::string("x = bytearray(") + megabytes + " << 20); print(len(x) >> 20)"},
        .environment = {"PATH=/usr/bin:/bin"}};
    python.memory_bytes = 256ULL << 20;
    return run(python);
  };
  EXPECT_EQ(allocate("100").out, std::vector<std::string>{"100"});
  EXPECT_EQ(allocate("257").err.back(), "MemoryError");
}

TEST(Spawn, RunsAsAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  SpawnSpec spec = shell("id -un; id -gn; grep -c . /proc/self/status >/dev/null && echo fine");
  spec.identity = find_identity("nobody").value();
  EXPECT_EQ(run(spec).out, (std::vector<std::string>{"nobody", "nogroup", "fine"}));
}

TEST(Spawn, DiesWithItsParent) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    IoThread io(0);
    test::run(io, [](int fd) -> Task<void> {
      auto child = spawn(shell("exec sleep 600"));
      const pid_t pid = child ? child->pid : 0;
      ::_exit(::write(fd, &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
      co_return;
    }(ends[1]));
  }
  pid_t grandchild = 0;
  ::close(ends[1]);
  ASSERT_EQ(::read(ends[0], &grandchild, sizeof(grandchild)), ssize_t{sizeof(grandchild)});
  ::close(ends[0]);
  ::waitpid(parent, nullptr, 0);
  // Nobody may be there to reap it: a zombie has no memory left.
  bool gone = false;
  for (int i = 0; i < 2'000 && !gone; ++i) {
    gone = resident_bytes(grandchild) == 0;
    if (!gone) ::usleep(5'000);
  }
  EXPECT_TRUE(gone);
}

TEST(Tree, CountsDescendantsAndKnowsGroups) {
  IoThread io(0);
  test::run(io, []() -> Task<void> {
    auto child = spawn(shell("sleep 600 & sleep 600 & echo up; wait"));
    EXPECT_TRUE(child);
    if (!child) co_return;
    bool up = false;
    TaskGroup readers;
    readers.spawn(read_lines(child->out, [&](std::string_view) { up = true; }));
    while (!up) (void)co_await sleep_for(std::chrono::milliseconds(5));
    const std::uint64_t all = resident_bytes(child->pid);
    EXPECT_GT(all, 1u << 20);
    EXPECT_TRUE(group_lives(child->pid));
    ::kill(child->pid, SIGKILL);
    while (!peek_ending(child->pidfd)) (void)co_await child->pidfd.readable();
    EXPECT_TRUE(group_lives(child->pid)) << "the two that it has started";
    ::kill(-child->pid, SIGKILL);
    while (group_lives(child->pid)) (void)co_await sleep_for(std::chrono::milliseconds(5));
    reap(child->pidfd);
    co_await readers.join();
    EXPECT_EQ(resident_bytes(child->pid), 0u);
  }());
}

TEST(Orphans, AreReapedAndOursAreNot) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  EXPECT_TRUE(adopts_orphans());
  IoThread io(0);
  test::run(io, []() -> Task<void> {
    // The grandchild is orphaned at once; our own child's end stays for us to see.
    auto child = spawn(shell("(sleep 0.01; exit 0) >/dev/null 2>&1 & exit 5"));
    EXPECT_TRUE(child);
    if (!child) co_return;
    auto ending = peek_ending(child->pidfd);
    for (; !ending; ending = peek_ending(child->pidfd)) (void)co_await child->pidfd.readable();
    const auto ours = [&](pid_t pid) { return pid == child->pid; };
    unsigned reaped = reap_orphans(ours);
    EXPECT_EQ(peek_ending(child->pidfd)->code, 5) << "ours is still there";
    reap(child->pidfd);
    for (int i = 0; i < 1'000 && reaped == 0; ++i) {
      reaped += reap_orphans(ours);
      (void)co_await sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(reaped, 1u);
  }());
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST(Output, AFloodIsReadWhole) {
  const Outcome o = run(shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"));
  ASSERT_EQ(o.out.size(), 20'000u);
  EXPECT_EQ(o.out.back(), "line 19999");
}

}  // namespace
}  // namespace millrace::process
