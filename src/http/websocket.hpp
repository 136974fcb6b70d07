// The proof of a WebSocket handshake (RFC 6455 section 4).
//
// Thread rule: any thread.
#pragma once

#include <string>
#include <string_view>

namespace millrace::http {

/// A fresh Sec-WebSocket-Key: 16 random bytes in base64.
[[nodiscard]] std::string make_websocket_key();

/// The Sec-WebSocket-Accept that answers `key`.
[[nodiscard]] std::string websocket_accept(std::string_view key);

}  // namespace millrace::http
