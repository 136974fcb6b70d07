// A client that speaks HTTP/2 to origins made of frames.
#pragma once

#include "client_fixture.hpp"
#include "support/frame_peer.hpp"

#include <functional>
#include <string>

namespace millrace::test {

/// Gives pieces as they are asked for, and counts them.
class CountedBody final : public BodySource {
 public:
  CountedBody(std::size_t pieces, std::size_t piece_bytes)
      : pieces_(pieces), piece_(piece_bytes, 'x') {}
  [[nodiscard]] http::BodyLength length() const noexcept override {
    return http::BodyLength::unknown();
  }
  [[nodiscard]] Task<Result<Bytes>> read() override {
    if (given == pieces_) co_return Bytes{};
    ++given;
    co_return Bytes(piece_);
  }
  std::size_t given = 0;

 private:
  const std::size_t pieces_;
  const std::string piece_;
};

class Http2ClientTest : public ClientTest {
 protected:
  client::Request ask(const RawOrigin& origin, std::string_view target = "/") {
    client::Request request;
    client::OriginSpec s = spec(origin.port());
    s.http = client::HttpChoice::kHttp2;
    request.origin = client->origin(s).value();
    request.target = target;
    request.host = "origin.test";
    return request;
  }
  client::Request ask_post(const RawOrigin& origin, BodySource& body) {
    client::Request request = ask(origin);
    request.method = http::Method::kPost;
    request.method_text = "POST";
    request.body = &body;
    return request;
  }
  /// What fetching `/` gives, from an origin that plays `script` behind the first request.
  Result<std::string> outcome(const std::function<void(FramePeer&, std::uint32_t)>& script,
                              const std::function<void(client::Request&)>& change = {}) {
    RawOrigin origin([&](RawOrigin::Peer& raw, int) {
      FramePeer peer(raw);
      if (const std::uint32_t stream = peer.request()) script(peer, stream);
      ::shutdown(raw.fd(), SHUT_WR);  // closing with bytes unread would be a reset
      peer.read_to_end();
    });
    Result<std::string> text;
    run([&]() -> Task<void> {
      client::Request request = ask(origin);
      if (change) change(request);
      text = co_await fetch_text(request);
      client->close_idle();
    });
    return text;
  }
  static Task<void> fetch_into(Http2ClientTest* self, client::Request* request,
                               Result<std::string>* text) {
    *text = co_await self->fetch_text(*request);
  }
};

}  // namespace millrace::test
