// An HTTP/2 client made of frames: what is sent is exactly what a test writes, well-formed or not.
#pragma once

#include "support/frames.hpp"
#include "support/wire_client.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace millrace::test {

class FrameClient {
 public:
  explicit FrameClient(WireClient& wire) : wire_(wire) {}

  Task<bool> send(std::string bytes) { co_return co_await wire_.send(bytes); }

  /// The next frame of any kind; nullopt: the connection has ended.
  Task<std::optional<Frame>> next() {
    constexpr std::size_t kHeadBytes = 9;
    if (!co_await wire_.receive(kHeadBytes)) co_return std::nullopt;
    std::string& in = wire_.received();
    const auto byte = [&in](std::size_t i) { return static_cast<std::uint8_t>(in[i]); };
    const std::size_t size = static_cast<std::size_t>(byte(0)) << 16 | byte(1) << 8 | byte(2);
    if (!co_await wire_.receive(kHeadBytes + size)) co_return std::nullopt;
    Frame f{.type = byte(3), .flags = byte(4), .stream = 0, .payload = {}};
    for (std::size_t i = 5; i < kHeadBytes; ++i) f.stream = f.stream << 8 | byte(i);
    f.payload = in.substr(kHeadBytes, size);
    in.erase(0, kHeadBytes + size);
    if (f.type == NGHTTP2_HEADERS) last_head = decoder_.decode(f);
    co_return f;
  }

  /// The next frame of this kind, others passed over.
  Task<std::optional<Frame>> next(std::uint8_t type) {
    for (;;) {
      std::optional<Frame> f = co_await next();
      if (!f || f->type == type) co_return f;
    }
  }

  struct Answer {
    HeaderList head;
    std::string body;
    HeaderList trailers;
    std::optional<std::uint32_t> reset;  ///< the error of an RST_STREAM
  };
  /// The whole answer on `stream`, frames of others passed over; a lost connection ends it too.
  Task<Answer> answer(std::uint32_t stream) {
    Answer a;
    for (;;) {
      std::optional<Frame> f = co_await next();
      if (!f) co_return a;
      if (f->stream != stream) continue;
      if (f->type == NGHTTP2_HEADERS) (a.head.empty() ? a.head : a.trailers) = last_head;
      if (f->type == NGHTTP2_DATA) a.body += f->payload;
      if (f->type == NGHTTP2_RST_STREAM) a.reset = f->number();
      if (a.reset || (f->type <= NGHTTP2_HEADERS && f->ends_stream())) co_return a;
    }
  }

  /// Of the HEADERS frame that came last.
  HeaderList last_head;

 private:
  WireClient& wire_;
  HeaderDecoder decoder_;
};

}  // namespace millrace::test
