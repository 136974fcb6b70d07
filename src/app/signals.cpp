#include "app/signals.hpp"

#include <cerrno>
#include <system_error>

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace millrace::app {
namespace {

sigset_t handled() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) ::sigaddset(&set, signal);
  return set;
}

}  // namespace

void block_signals() {
  const sigset_t set = handled();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  // Ignored, as some parents leave it, it would have the kernel reap our children.
  ::signal(SIGCHLD, SIG_DFL);
}

Task<void> watch_signals(std::function<void(int)> on_signal) {
  const sigset_t set = handled();
  const int fd = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
  Descriptor signals(fd);
  for (;;) {
    signalfd_siginfo info{};
    if (::read(signals.fd(), &info, sizeof(info)) == sizeof(info)) {
      on_signal(static_cast<int>(info.ssi_signo));
      continue;
    }
    if (!co_await signals.readable()) co_return;
  }
}

}  // namespace millrace::app
