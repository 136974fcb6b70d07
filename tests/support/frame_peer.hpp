// An HTTP/2 origin made of frames, on one connection of a RawOrigin or on TLS over it: blocking,
// and exactly what the test says.
#pragma once

#include "support/frames.hpp"
#include "support/raw_origin.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::test {

class FramePeer {
 public:
  /// Reads the client's preface and says our SETTINGS.
  template <class Transport>
  explicit FramePeer(Transport& peer, std::string_view settings = {})
      : read_([&peer](std::size_t n) { return peer.read_bytes(n); }),
        send_([&peer](std::string_view bytes) { return peer.send(bytes); }) {
    read_(kPreface.size());
    send(frame(NGHTTP2_SETTINGS, 0, 0, settings));
  }

  bool send(std::string_view bytes) { return send_(bytes); }

  /// The next frame; nullopt when the client has closed. Acknowledges SETTINGS and PING.
  std::optional<Frame> next() {
    const std::string head = read_(9);
    if (head.size() < 9) return std::nullopt;
    const auto byte = [&head](std::size_t i) { return static_cast<std::uint8_t>(head[i]); };
    Frame f{.type = byte(3), .flags = byte(4), .stream = 0, .payload = {}};
    for (std::size_t i = 5; i < 9; ++i) f.stream = f.stream << 8 | byte(i);
    f.payload = read_(static_cast<std::size_t>(byte(0)) << 16 | byte(1) << 8 | byte(2));
    if (f.type == NGHTTP2_SETTINGS && (f.flags & NGHTTP2_FLAG_ACK) == 0)
      send(frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0));
    if (f.type == NGHTTP2_PING && (f.flags & NGHTTP2_FLAG_ACK) == 0) {
      ++pings;
      if (answers_pings) send(frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, f.payload));
    }
    if (f.type == NGHTTP2_HEADERS) last_head = decoder_.decode(f);
    return f;
  }
  /// The next frame of this kind, others passed over.
  std::optional<Frame> next(std::uint8_t type) {
    for (;;) {
      std::optional<Frame> f = next();
      if (!f || f->type == type) return f;
    }
  }
  /// The next request's head: its stream; 0 when the client has closed.
  std::uint32_t request() {
    const std::optional<Frame> f = next(NGHTTP2_HEADERS);
    return f ? f->stream : 0;
  }
  /// A whole answer.
  bool answer(std::uint32_t stream, std::string_view body, const HeaderList& more = {}) {
    HeaderList head{{":status", "200"}};
    head.insert(head.end(), more.begin(), more.end());
    return send(headers(stream, head, false) + data(stream, body));
  }
  /// Until the client closes.
  void read_to_end() {
    while (next()) {
    }
  }

  HeaderList last_head;
  int pings = 0;
  bool answers_pings = true;

 private:
  const std::function<std::string(std::size_t)> read_;
  const std::function<bool(std::string_view)> send_;
  HeaderDecoder decoder_;
};

/// Bytes of SETTINGS.
[[nodiscard]] inline std::string setting(std::uint16_t id, std::uint32_t value) {
  return bytes_of(id, 2) + bytes_of(value);
}
[[nodiscard]] inline std::string rst(std::uint32_t stream, std::uint32_t error) {
  return frame(NGHTTP2_RST_STREAM, 0, stream, bytes_of(error));
}
[[nodiscard]] inline std::string goaway(std::uint32_t last_stream, std::uint32_t error = 0) {
  return frame(NGHTTP2_GOAWAY, 0, 0, bytes_of(last_stream) + bytes_of(error));
}

}  // namespace millrace::test
