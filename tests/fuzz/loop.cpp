#include "fuzz/loop.hpp"

#include "fuzz/check.hpp"
#include "runtime/wait_queue.hpp"

#include <memory>

#include <sys/socket.h>

namespace millrace::fuzz {

IoThread& io_thread() {
  static IoThread& io = *new IoThread(0);
  return io;
}

test::TcpPair make_socket_pair() {
  int fds[2];
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0, "sockets");
  return {.client = fds[0], .server = fds[1]};
}

Task<void> next_turn() {
  const auto turned = std::make_shared<Event>();  // whoever waits may be cancelled
  io_thread().post([turned] { turned->set(); });
  (void)co_await turned->wait();
}

Task<void> send_pieces(test::WireClient& client, std::vector<std::string_view> pieces) {
  for (const std::string_view piece : pieces) {
    if (!co_await client.send(piece)) break;
    co_await next_turn();
  }
  client.finish_sending();
}

Task<void> receive_to_the_end(test::WireClient& client) {
  check(co_await client.receive_all() != test::Ending::kOpen, "no end after the client's end");
}

}  // namespace millrace::fuzz
