// A whole HTTP/1 server connection: the input is what a client sends before it ends its side. The
// server must end then, answer each exchange once, and hear the same requests however the bytes
// were cut.
#include "fuzz/check.hpp"
#include "fuzz/loop.hpp"
#include "fuzz/pieces.hpp"
#include "fuzz/pipeline.hpp"
#include "fuzz/responses.hpp"
#include "h1/server_connection.hpp"
#include "support/on_io.hpp"

namespace {

using namespace millrace;
using fuzz::check;
using fuzz::Record;

constexpr PeerInfo kPeer{
    .address = "192.0.2.1", .port = 1, .local_address = "192.0.2.2", .local_port = 2};

Task<void> serve(int fd, Pipeline& pipeline) {
  (void)co_await h1::serve_connection(net::Stream(fd), kPeer, pipeline);
}

Task<void> converse(std::string_view bytes, std::size_t pieces_max,
                    fuzz::RecordingPipeline& pipeline) {
  const test::TcpPair sockets = fuzz::make_socket_pair();
  test::WireClient client(sockets);
  TaskGroup group;
  group.spawn(serve(sockets.server, pipeline));
  group.spawn(fuzz::send_pieces(client, fuzz::cut(bytes, pieces_max)));
  group.spawn(fuzz::receive_to_the_end(client));
  co_await group.join();
  fuzz::check_responses(client.received(), pipeline.records());
}

bool same_request(const Record& a, const Record& b) {
  return a.method == b.method && a.authority == b.authority && a.path == b.path &&
         a.query == b.query && a.version == b.version && a.refused == b.refused;
}

/// From here on the cut may matter: whether the client waits for 100, has bytes for a tunnel
/// already, or has ended its side while the handler waits, which counts as gone.
bool depends_on_time(const Record& r) {
  return r.expects_continue || r.wants_upgrade || r.outcome == Errc::kClientGone ||
         r.path.starts_with("/w");
}

/// Where they differ; empty: nowhere that matters.
std::string_view difference(const std::deque<Record>& cut, const std::deque<Record>& whole) {
  for (std::size_t i = 0; i < cut.size() || i < whole.size(); ++i) {
    if (i >= cut.size() || i >= whole.size()) return "requests that only one cut has";
    if (!same_request(cut[i], whole[i])) return "another request in another cut";
    if (depends_on_time(cut[i]) || depends_on_time(whole[i])) break;
    if (cut[i].outcome != whole[i].outcome) return "another outcome in another cut";
    const bool reads_one_piece = cut[i].path.starts_with("/r");
    if (!reads_one_piece && cut[i].body != whole[i].body) return "another body in another cut";
  }
  return {};
}

void check_same(const std::deque<Record>& cut, const std::deque<Record>& whole) {
  const std::string_view what = difference(cut, whole);
  if (what.empty()) return;
  fuzz::print(cut);
  fuzz::print(whole);
  check(false, what);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  fuzz::RecordingPipeline cut, whole;
  test::on_io(fuzz::io_thread(), [&]() -> Task<void> {  // side by side: that saves turns
    TaskGroup group;
    group.spawn(converse(bytes, 5, cut));
    group.spawn(converse(bytes, 1, whole));
    co_await group.join();
  });
  check_same(cut.records(), whole.records());
  return 0;
}
