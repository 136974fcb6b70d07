// Starts a child process: own process group, our death is its SIGTERM, no descriptor of ours but
// standard input (/dev/null), output and error (pipes), default signals, limits, user.
//
// The child is made by clone() with the parent's memory (as posix_spawn does): no copied page
// tables, so the io threads take no page faults for it. Until it executes, it runs code that makes
// system calls only.
//
// Thread rule: the main thread, which is the control thread: PR_SET_PDEATHSIG is sent when the
// *thread* that made the child ends (prctl(2)).
#pragma once

#include "runtime/descriptor.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace millrace::process {

/// Who the child runs as.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string name;
  std::string home;
};
/// A user name or a number. Error: a sentence.
[[nodiscard]] std::expected<Identity, std::string> find_identity(const std::string& user);

struct SpawnSpec {
  std::string program;                        ///< absolute
  std::vector<std::string> arguments;         ///< with the program's name first
  std::vector<std::string> environment;       ///< "NAME=value", all of it
  std::string directory;                      ///< empty: ours
  std::optional<Identity> identity;           ///< none: ours
  std::optional<std::uint64_t> memory_bytes;  ///< RLIMIT_DATA: heap and private mappings
  std::uint32_t files = 0;                    ///< RLIMIT_NOFILE; 0: ours
};

struct Child {
  pid_t pid = 0;
  Descriptor pidfd;
  Descriptor out;
  Descriptor err;
};

/// Error: a sentence that says which step failed and why.
[[nodiscard]] std::expected<Child, std::string> spawn(const SpawnSpec& spec);

/// How a child ended: its exit status, or the signal that ended it.
struct Ending {
  int code = 0;
  int signal = 0;
  /// "exited with status 3", "killed by SIGKILL"
  [[nodiscard]] std::string text() const;
};

/// Has it ended? It stays a zombie, so that its id and its group's are nobody else's yet.
[[nodiscard]] std::optional<Ending> peek_ending(const Descriptor& pidfd);
/// Takes the zombie away.
void reap(const Descriptor& pidfd);
/// To the process itself; nothing when it has ended.
void send_signal(const Descriptor& pidfd, int signal);

/// Children that nobody started here: what came to us as PID 1 or as a subreaper. `known` says
/// whether a pid is one of ours. How many were reaped.
template <class Known>
unsigned reap_orphans(Known known);
/// The next child that has ended, unreaped; 0: none.
[[nodiscard]] pid_t next_zombie();
void reap_pid(pid_t pid);
/// Do orphans come to this process?
[[nodiscard]] bool adopts_orphans();

template <class Known>
unsigned reap_orphans(Known known) {
  constexpr unsigned kAtOnceMax = 1'000;
  unsigned count = 0;
  // One of ours at the head of the queue hides the others until its watcher has reaped it.
  for (pid_t pid = next_zombie(); pid != 0 && !known(pid) && count < kAtOnceMax;
       pid = next_zombie(), ++count)
    reap_pid(pid);
  return count;
}

}  // namespace millrace::process
