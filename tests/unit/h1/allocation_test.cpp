// A complete small request whose handler does not wait costs no allocation, once the pools are
// warm.
#include "h1/server_connection.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/task_group.hpp"
#include "support/blocking_client.hpp"
#include "support/count_allocations.hpp"
#include "support/tcp_pair.hpp"

#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace millrace::h1 {
namespace {

/// "/" answers "hello"; "/stream" the request's body, chunked.
class Handlers final : public Pipeline, Handler {
 public:
  const ConnectionLimits& limits() const noexcept override { return limits_; }
  bool draining() const noexcept override { return false; }
  Handler& begin(Exchange&) override { return *this; }
  void end(Exchange&, Result<void>) override {}
  void refuse(Exchange&, Error) override {}

  Task<Result<void>> handle(Exchange& exchange) override {
    http::ResponseHead head;
    head.fields.add(http::FieldId::kContentType, "text/plain");
    if (exchange.request.path == "/") {
      exchange.respond(head, "hello");
      co_return Result<void>{};
    }
    head.body = http::BodyLength::unknown();
    exchange.start(head);
    for (;;) {
      const auto piece = co_await exchange.read_body();
      if (!piece) co_return fail(piece.error());
      if (piece->empty()) break;
      if (auto written = co_await exchange.write(*piece); !written) co_return written;
    }
    co_return exchange.finish();
  }

 private:
  const ConnectionLimits limits_;
};

const PeerInfo kPeer{
    .address = "127.0.0.1", .port = 1, .local_address = "127.0.0.1", .local_port = 2};

Task<void> serve(int fd, Pipeline& pipeline, IoThread& io) {
  co_await serve_connection(net::Stream(fd), kPeer, pipeline);
  io.stop();
}

/// A connection served on a thread of its own, whose allocations are counted.
class Server {
 public:
  Server() : Server(test::make_tcp_pair()) {}
  ~Server() {
    client.close();
    thread_.join();
  }

  /// Allocations of the server's thread while `count` times `request` is answered with `end` last.
  std::size_t cost(std::string_view request, std::string_view end, int count) {
    const std::size_t before = seen();
    for (int i = 0; i < count; ++i) {
      EXPECT_TRUE(client.send(request));
      EXPECT_TRUE(client.read_until(end).ends_with(end));
    }
    return seen() - before;
  }

  test::BlockingClient client;

 private:
  explicit Server(const test::TcpPair& pair)
      : client(pair.client), thread_([this, fd = pair.server] { run(fd); }) {}

  void run(int fd) {
    IoThread io(0);
    TaskGroup group;
    Handlers handlers;
    io.post([&] {
      io_ = &io;
      group.spawn(serve(fd, handlers, io));
    });
    io.run();
  }
  /// The server's count, without what asking costs.
  std::size_t seen() {
    // A request first: io_ is set when it was answered.
    EXPECT_TRUE(client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_TRUE(client.read_until("hello").ends_with("hello"));
    std::size_t count = 0;
    std::atomic<bool> done = false;
    io_.load()->post([&] {
      count = test::allocations();
      done = true;
      done.notify_one();
    });
    done.wait(false);
    return count;
  }

  std::atomic<IoThread*> io_ = nullptr;
  std::thread thread_;
};

class Allocations : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::kCountsAllocations) GTEST_SKIP() << "sanitizers count for themselves";
  }
  /// Warms up, then judges 500 rounds. The two posts that ask for the count may cost one each.
  void expect_free(std::string_view request, std::string_view end) {
    Server server;
    (void)server.cost(request, end, 50);
    EXPECT_LE(server.cost(request, end, 500), 2u);
  }
};

TEST_F(Allocations, TheCounterCounts) {
  const std::size_t before = test::allocations();
  delete ::new std::string(100, 'x');
  EXPECT_GT(test::allocations(), before);
}

TEST_F(Allocations, NoneForAKeepAliveRequest) {
  expect_free("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "hello");
}

TEST_F(Allocations, NoneForABrowsersRequest) {
  expect_free(
      "GET /?q=1 HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
      "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
      "Connection: keep-alive\r\nCookie: session=0123456789abcdef\r\nUpgrade-Insecure-Requests: "
      "1\r\n"
      "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n\r\n",
      "hello");
}

TEST_F(Allocations, NoneForPipelinedRequests) {
  std::string sixteen;
  for (int i = 0; i < 15; ++i) sixteen += "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  // The last one is the only one that ends like this.
  expect_free(sixteen + "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nend",
              "end\r\n0\r\n\r\n");
}

TEST_F(Allocations, NoneForAStreamedEcho) {
  expect_free(
      "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "0\r\n\r\n");
}

}  // namespace
}  // namespace millrace::h1
