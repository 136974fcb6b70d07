// Asks an instance whether it is there: by a connection, or by one small request over HTTP/1.1.
//
// Thread rule: the io thread that runs the task. Deadlines are the caller's scope.
#pragma once

#include "base/error.hpp"
#include "runtime/task.hpp"

#include <cstdint>
#include <string>

namespace millrace::process {

/// Where an instance listens: a unix socket, or a port of 127.0.0.1.
struct Endpoint {
  std::string unix_path;
  std::uint16_t port = 0;
  /// "unix:/run/x.sock", "127.0.0.1:8000"
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// Is there somebody who listens? Errors: kConnectRefused, kConnectFailed, the scope's.
[[nodiscard]] Task<Result<void>> probe_socket(Endpoint endpoint);
/// The status of the answer to GET `path`. Errors: those above, kUpstreamClosed,
/// kUpstreamBadMessage.
[[nodiscard]] Task<Result<int>> probe_http(Endpoint endpoint, std::string path);

/// A port that nobody listens on right now; 0: there is none.
[[nodiscard]] std::uint16_t free_port();

}  // namespace millrace::process
