// Runs every file of a folder as a test: each dialogue whole, and byte by byte.
//
//   wire_test CASES_DIR
#include "dialogue.hpp"

#include "h1/server_connection.hpp"
#include "support/on_io.hpp"
#include "wire_pipeline.hpp"

#include <algorithm>
#include <iostream>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

namespace fs = std::filesystem;

const PeerInfo kPeer{
    .address = "127.0.0.1", .port = 1, .local_address = "127.0.0.1", .local_port = 2};

/// Waits for what the step expects, and takes it out of what was received.
Task<void> expect(WireClient& client, const std::string& bytes) {
  std::string& received = client.received();
  hide_dates(received);
  while (received.size() < bytes.size()) {
    if (!co_await client.receive(received.size() + 1)) break;
    hide_dates(received);
  }
  EXPECT_EQ(received.substr(0, bytes.size()), bytes);
  received.erase(0, std::min(bytes.size(), received.size()));
}

Task<void> expect_ending(WireClient& client, Ending ending) {
  if (ending == Ending::kOpen) {
    EXPECT_TRUE(co_await client.send("GET /show?probe HTTP/1.1\r\nHost: probe\r\n\r\n"));
    co_await expect(client, answer("GET\nprobe\n/show\nprobe\n1.1"));
    client.finish_sending();
    ending = Ending::kClosed;
  }
  const Ending seen = co_await client.receive_all();
  EXPECT_EQ(client.received(), "") << "bytes that nobody expected";
  EXPECT_EQ(static_cast<int>(seen), static_cast<int>(ending)) << "0: open, 1: closed, 2: reset";
}

Task<void> converse(const Dialogue& d, bool bytewise, const TcpPair& sockets) {
  WireClient client(sockets);
  for (const Dialogue::Step& step : d.steps) {
    if (step.kind == Dialogue::Kind::kEndOfSending) {
      client.finish_sending();
    } else if (step.kind == Dialogue::Kind::kIgnore) {
      (void)co_await client.receive_all();
      client.received().clear();
    } else if (step.kind == Dialogue::Kind::kExpect) {
      co_await expect(client, step.bytes);
    } else if (bytewise) {
      (void)co_await client.send_bytewise(step.bytes);
    } else {
      (void)co_await client.send(step.bytes);
    }
  }
  co_await expect_ending(client, d.ending);
}

Task<void> run(const Dialogue& d, bool bytewise) {
  WirePipeline pipeline;
  pipeline.limits_ = d.limits;
  const TcpPair sockets = make_tcp_pair();
  TaskGroup server;
  server.spawn(serve_h1(net::Stream(sockets.server), kPeer, pipeline));
  co_await converse(d, bytewise, sockets);
  co_await server.join();
  if (!d.outcome.empty())
    EXPECT_EQ(pipeline.outcomes.empty() ? "none" : pipeline.outcomes.back(), d.outcome);
}

class DialogueTest final : public testing::Test {
 public:
  DialogueTest(fs::path file, bool bytewise) : file_(std::move(file)), bytewise_(bytewise) {}

 private:
  void TestBody() override {
    for (const Dialogue& d : read_dialogues(file_)) {
      if (bytewise_ && d.whole_only) continue;
      SCOPED_TRACE("{} is " + d.variant);
      IoThread io(0);
      on_io(io, [&] { return run(d, bytewise_); });
    }
  }
  const fs::path file_;
  const bool bytewise_;
};

void add_tests(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".wire") files.push_back(entry.path());
  std::ranges::sort(files);
  if (files.empty()) throw std::runtime_error("no cases in " + folder.string());
  for (const fs::path& file : files)
    for (const bool bytewise : {false, true})
      testing::RegisterTest(
          bytewise ? "ByteByByte" : "Whole", file.stem().c_str(), nullptr, nullptr, file.c_str(), 1,
          [file, bytewise]() -> testing::Test* { return new DialogueTest(file, bytewise); });
}

}  // namespace
}  // namespace millrace::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) {
    std::cerr << "usage: wire_test CASES_DIR\n";
    return 2;
  }
  millrace::test::add_tests(argv[1]);
  return RUN_ALL_TESTS();
}
