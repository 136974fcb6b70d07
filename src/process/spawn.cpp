#include "process/spawn.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// What runs in the child shares the parent's memory, on a stack that no sanitizer knows.
#define MILLRACE_CHILD_CODE \
  __attribute__((no_sanitize("address", "thread", "undefined"), no_stack_protector, noinline))

// glibc's own name of clone(). ThreadSanitizer has one of that name, which takes the child for a
// fork and spoils the memory that we share with it.
extern "C" int __clone(int (*fn)(void*), void* stack, int flags, void* argument, ...) noexcept;

namespace millrace::process {
namespace {

constexpr std::size_t kChildStackBytes = std::size_t{64} * 1024;
// Below it are the standard descriptors, which the child's dup2 replaces.
constexpr int kFirstOwnFd = 3;

/// A descriptor that closes itself, before it is anybody's Descriptor.
class Fd {
 public:
  explicit Fd(int fd = -1) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  [[nodiscard]] bool lift() noexcept {
    if (fd_ < 0 || fd_ >= kFirstOwnFd) return fd_ >= 0;
    const int lifted = ::fcntl(fd_, F_DUPFD_CLOEXEC, kFirstOwnFd);
    ::close(std::exchange(fd_, lifted));
    return fd_ >= 0;
  }

 private:
  int fd_;
};

/// All that the child needs, and what it says when it cannot go on.
struct ChildPlan {
  const char* program;
  char* const* argv;
  char* const* envp;
  const char* directory;  // or null
  const Identity* identity;
  rlimit memory, files;
  bool limit_memory, limit_files;
  int null, out, err;
  pid_t parent;
  const char* failed_step = nullptr;
  int error = 0;
};

MILLRACE_CHILD_CODE long call(long number, long a = 0, long b = 0, long c = 0) noexcept {
  return ::syscall(number, a, b, c);
}

MILLRACE_CHILD_CODE void default_signals() noexcept {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// glibc's own setuid() would have every thread of the parent change: these are the bare calls.
MILLRACE_CHILD_CODE bool become(const Identity& who) noexcept {
  const auto groups = reinterpret_cast<long>(who.groups.data());
  return call(SYS_setgroups, static_cast<long>(who.groups.size()), groups) == 0 &&
         call(SYS_setresgid, who.gid, who.gid, who.gid) == 0 &&
         call(SYS_setresuid, who.uid, who.uid, who.uid) == 0;
}

MILLRACE_CHILD_CODE const char* prepare(const ChildPlan& plan) noexcept {
  if (::setpgid(0, 0) != 0) return "make a process group";
  if (::dup2(plan.null, 0) < 0 || ::dup2(plan.out, 1) < 0 || ::dup2(plan.err, 2) < 0)
    return "connect its output";
  call(SYS_close_range, kFirstOwnFd, ~0U, 0);  // they are close-on-exec as well
  if (plan.limit_memory && ::setrlimit(RLIMIT_DATA, &plan.memory) != 0) return "limit its memory";
  if (plan.limit_files && ::setrlimit(RLIMIT_NOFILE, &plan.files) != 0) return "limit its files";
  if (plan.identity != nullptr && !become(*plan.identity)) return "change to its user";
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) return "change to its directory";
  // After the change of user, which clears it.
  if (::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) return "tie its life to ours";
  return nullptr;
}

MILLRACE_CHILD_CODE int run_child(void* argument) noexcept {
  ChildPlan& plan = *static_cast<ChildPlan*>(argument);
  default_signals();
  plan.failed_step = prepare(plan);
  if (plan.failed_step == nullptr && call(SYS_getppid) != plan.parent) ::_exit(127);
  if (plan.failed_step == nullptr) {
    ::execve(plan.program, plan.argv, plan.envp);
    plan.failed_step = "execute it";
  }
  plan.error = errno;
  ::_exit(127);
}

/// Signals wait while two processes have one memory.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

std::string sentence(const char* step, int error) {
  const char* name = ::strerrorname_np(error);
  return std::string("cannot ") + step + ": " + std::strerror(error) + " (" +
         (name != nullptr ? name : "?") + ")";
}

struct Pipe {
  Fd read, write;
  [[nodiscard]] bool open() noexcept {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    read = Fd(ends[0]);
    write = Fd(ends[1]);
    // Ours alone: the two ends of a pipe are two open files.
    return read.lift() && write.lift() && ::fcntl(read.get(), F_SETFL, O_NONBLOCK) == 0;
  }
};

// Soft and hard ones: what a child may raise again is no limit.
void set_limits(const SpawnSpec& spec, ChildPlan& plan) {
  plan.limit_memory = spec.memory_bytes.has_value();
  if (plan.limit_memory)
    plan.memory = {.rlim_cur = *spec.memory_bytes, .rlim_max = *spec.memory_bytes};
  plan.limit_files = spec.files != 0;
  if (plan.limit_files) plan.files = {.rlim_cur = spec.files, .rlim_max = spec.files};
}

}  // namespace

std::expected<Identity, std::string> find_identity(const std::string& user) {
  std::vector<char> room(16 * 1024);
  passwd entry{};
  passwd* found = nullptr;
  uid_t number = 0;
  const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), number);
  const bool numeric = error == std::errc() && end == user.data() + user.size();
  if (numeric)
    ::getpwuid_r(number, &entry, room.data(), room.size(), &found);
  else
    ::getpwnam_r(user.c_str(), &entry, room.data(), room.size(), &found);
  if (found == nullptr && numeric)
    return Identity{.uid = number, .gid = number, .groups = {number}};
  if (found == nullptr) return std::unexpected("there is no user \"" + user + "\"");
  Identity out{
      .uid = found->pw_uid, .gid = found->pw_gid, .name = found->pw_name, .home = found->pw_dir};
  int count = 1024;
  out.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(found->pw_name, found->pw_gid, out.groups.data(), &count) < 0) count = 0;
  out.groups.resize(static_cast<std::size_t>(count));
  return out;
}

std::expected<Child, std::string> spawn(const SpawnSpec& spec) {
  Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Pipe out, err;
  if (!null.lift() || !out.open() || !err.open())
    return std::unexpected(sentence("open its pipes", errno));
  const auto argv = pointers(spec.arguments);
  const auto envp = pointers(spec.environment);
  const auto stack = std::make_unique<std::byte[]>(kChildStackBytes);
  ChildPlan plan{.program = spec.program.c_str(),
                 .argv = argv.data(),
                 .envp = envp.data(),
                 .directory = spec.directory.empty() ? nullptr : spec.directory.c_str(),
                 .identity = spec.identity ? &*spec.identity : nullptr,
                 .null = null.get(),
                 .out = out.write.get(),
                 .err = err.write.get(),
                 .parent = ::getpid()};
  set_limits(spec, plan);
  int pidfd = -1;
  pid_t pid = -1;
  {
    const SignalsBlocked blocked;
    constexpr int kFlags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
    pid = ::__clone(run_child, stack.get() + kChildStackBytes, kFlags, &plan, &pidfd);
  }
  if (pid < 0) return std::unexpected(sentence("start a process", errno));
  Fd watched(pidfd);
  if (plan.failed_step != nullptr) {
    reap_pid(pid);
    return std::unexpected(sentence(plan.failed_step, plan.error));
  }
  Child child{.pid = pid};
  child.pidfd = Descriptor(watched.release());
  child.out = Descriptor(out.read.release());
  child.err = Descriptor(err.read.release());
  return child;
}

std::string Ending::text() const {
  if (signal == 0) return "exited with status " + std::to_string(code);
  const char* name = ::sigabbrev_np(signal);
  return "killed by " + (name != nullptr ? "SIG" + std::string(name) : std::to_string(signal));
}

namespace {
/// Debian 12's glibc knows P_PIDFD; a child of ours ends in one of these ways.
Ending to_ending(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {.code = info.si_status};
  return {.signal = info.si_status};
}
}  // namespace

std::optional<Ending> peek_ending(const Descriptor& pidfd) {
  siginfo_t info{};
  const auto id = static_cast<id_t>(pidfd.fd());
  if (::waitid(P_PIDFD, id, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return Ending{.code = -1};
  if (info.si_pid == 0) return std::nullopt;
  return to_ending(info);
}

void reap(const Descriptor& pidfd) {
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(pidfd.fd()), &info, WEXITED | WNOHANG);
}

void send_signal(const Descriptor& pidfd, int signal) {
  ::syscall(SYS_pidfd_send_signal, pidfd.fd(), signal, nullptr, 0);
}

pid_t next_zombie() {
  siginfo_t info{};
  if (::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG) != 0) return 0;
  return info.si_pid;
}

void reap_pid(pid_t pid) {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
}

bool adopts_orphans() {
  int subreaper = 0;
  ::prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
  return ::getpid() == 1 || subreaper != 0;
}

}  // namespace millrace::process
