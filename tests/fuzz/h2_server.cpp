// A whole HTTP/2 server connection: the input says which frames a client sends (h2_script.hpp)
// before it ends its side. The server must end then, write frames in their order, and give each
// stream what its handler gave.
#include "fuzz/h2_answers.hpp"
#include "fuzz/h2_script.hpp"
#include "fuzz/loop.hpp"
#include "fuzz/pipeline.hpp"
#include "h2/server_connection.hpp"
#include "support/on_io.hpp"

namespace {

using namespace millrace;

constexpr PeerInfo kPeer{
    .address = "192.0.2.1", .port = 1, .local_address = "192.0.2.2", .local_port = 2};

Task<void> serve(int fd, Pipeline& pipeline) {
  co_await h2::serve_connection(net::Stream(fd), ByteBuffer(), kPeer, pipeline);
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
    fuzz::check_h2_answers(client.received(), pipeline.records(), script.mark);
  });
  return 0;
}
