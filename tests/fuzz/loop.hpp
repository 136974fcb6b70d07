// What targets with connections run on: one io thread for all inputs of the process, and a pair of
// connected sockets for each. Unix sockets: three times as fast as TCP over loopback, and whatever
// was sent before the peer closed is still read.
#pragma once

#include "runtime/io_thread.hpp"
#include "support/wire_client.hpp"

#include <string_view>
#include <vector>

namespace millrace::fuzz {

/// The thread of all inputs, never destroyed: it would outlive the pools that it uses.
[[nodiscard]] IoThread& io_thread();

/// The caller owns both.
[[nodiscard]] test::TcpPair make_socket_pair();

/// Lets everybody else have a turn of the event loop. Cheaper than a timer.
Task<void> next_turn();

/// Sends `pieces`, a turn of the loop after each, then ends that direction.
Task<void> send_pieces(test::WireClient& client, std::vector<std::string_view> pieces);

/// Takes everything until the other side closes. One that does not, although it was sent the end,
/// hangs: that ends the process.
Task<void> receive_to_the_end(test::WireClient& client);

}  // namespace millrace::fuzz
