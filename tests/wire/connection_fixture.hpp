// A connection served on the test's io thread, with the client's end in hand.
#pragma once

#include "h1/server_connection.hpp"
#include "support/on_io.hpp"
#include "support/wire_client.hpp"
#include "wire_pipeline.hpp"

#include <gtest/gtest.h>

namespace millrace::test {

inline constexpr std::string_view kGetFixed = "GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n";
inline constexpr std::string_view kGetWait = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";

/// Made on the io thread. join() before it ends.
class Served {
 public:
  explicit Served(WirePipeline& pipeline, int buffer_bytes = 0)
      : Served(pipeline, make_tcp_pair(buffer_bytes)) {}

  WireClient client;
  TaskGroup server;

 private:
  Served(WirePipeline& pipeline, const TcpPair& sockets) : client(sockets) {
    server.spawn(serve_h1(net::Stream(sockets.server), peer_, pipeline));
  }
  const PeerInfo peer_{
      .address = "127.0.0.1", .port = 1, .local_address = "127.0.0.1", .local_port = 2};
};

/// The answer with its date hidden, once as many bytes came as it has.
inline Task<std::string> next_answer(WireClient& client, std::size_t size) {
  // The date on the wire is as long as 29 - 6 bytes more than `<date>`.
  (void)co_await client.receive(size + 23);
  hide_dates(client.received());
  std::string out = client.received().substr(0, size);
  client.received().erase(0, out.size());
  co_return out;
}

/// Everything up to the end of the connection, dates hidden.
inline Task<std::string> rest(WireClient& client) {
  (void)co_await client.receive_all();
  hide_dates(client.received());
  co_return std::move(client.received());
}

}  // namespace millrace::test
