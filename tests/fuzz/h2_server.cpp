// A whole HTTP/2 server connection: the input says which frames a client sends (h2_script.hpp)
// before it ends its side. The server must end then, write frames in their order, and give each
// stream what its handler gave.
#include "fuzz/check.hpp"
#include "fuzz/h2_answers.hpp"
#include "fuzz/h2_script.hpp"
#include "fuzz/loop.hpp"
#include "fuzz/pipeline.hpp"
#include "h2/server_connection.hpp"
#include "support/on_io.hpp"

#include <algorithm>

namespace {

using namespace millrace;

constexpr PeerInfo kPeer{
    .address = "192.0.2.1", .port = 1, .local_address = "192.0.2.2", .local_port = 2};

Task<void> serve(int fd, Pipeline& pipeline) {
  co_await h2::serve_connection(net::Stream(fd), ByteBuffer(), kPeer, pipeline);
}

/// Beside its answers the server says no more than the client said: floods are not echoed louder.
void check_volume(std::size_t received, const fuzz::H2Script& script,
                  const std::deque<fuzz::Record>& records) {
  constexpr std::size_t kOwnFramesBytes = 4096, kHeadBytes = 512;
  std::size_t allowed = kOwnFramesBytes;
  for (const std::string& piece : script.pieces) allowed += 2 * piece.size();
  for (const fuzz::Record& r : records)
    allowed += kHeadBytes + std::max(r.body.size(), r.expected ? r.expected->size() : 0);
  fuzz::check(received <= allowed, "more was said than asked for");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto script =
      fuzz::make_h2_script(std::string_view(reinterpret_cast<const char*>(data), size));
  test::on_io(fuzz::io_thread(), [&]() -> Task<void> {
    fuzz::RecordingPipeline pipeline;
    const test::TcpPair sockets = fuzz::make_socket_pair();
    test::WireClient client(sockets);
    TaskGroup group;
    group.spawn(serve(sockets.server, pipeline));
    group.spawn(fuzz::send_pieces(client, {script.pieces.begin(), script.pieces.end()}));
    group.spawn(fuzz::receive_to_the_end(client));
    co_await group.join();
    check_volume(client.received().size(), script, pipeline.records());
    fuzz::check_h2_answers(client.received(), pipeline.records(), script.mark);
  });
  return 0;
}
