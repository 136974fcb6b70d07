#include "app/service_manager.hpp"

#include "net/listener.hpp"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::app {
namespace {

/// A manager that listens at an abstract address of its own.
class Manager {
 public:
  Manager() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const std::string name = "millrace-test-" + std::to_string(::getpid());
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    name.copy(to.sun_path + 1, name.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&to), length), 0);
    ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  }
  ~Manager() {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(fd_);
  }
  std::string told() {
    char text[256];
    const ssize_t n = ::recv(fd_, text, sizeof(text), 0);
    return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : "";
  }

 private:
  const int fd_;
};

TEST(Notify, GoesToTheManager) {
  Manager manager;
  notify("READY=1\nSTATUS=serving");
  EXPECT_EQ(manager.told(), "READY=1\nSTATUS=serving");
  notify_reloading();
  EXPECT_TRUE(manager.told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
}

TEST(Notify, IsNothingWithoutOne) {
  notify("READY=1");
  ::setenv("NOTIFY_SOCKET", "relative/path", 1);
  notify("READY=1");
  ::setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  notify("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
}

TEST(PassedSockets, AreForThisProcessOnly) {
  std::vector<std::string> refused;
  EXPECT_TRUE(passed_sockets(refused).empty());
  ::setenv("LISTEN_PID", "1", 1);
  ::setenv("LISTEN_FDS", "1", 1);
  EXPECT_TRUE(passed_sockets(refused).empty());
  EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
  for (const char* count : {"0", "-1", "257", "x", "1x"}) {
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", count, 1);
    EXPECT_TRUE(passed_sockets(refused).empty()) << count;
  }
  EXPECT_TRUE(refused.empty());
}

}  // namespace
}  // namespace millrace::app
