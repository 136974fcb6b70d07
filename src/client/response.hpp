// An answer: its head, and its body piece by piece.
//
// Ownership: holds the exchange; destroying it (or close()) gives it back: a connection is parked
// when the body was read to its end, else closed. Views of the head live as long as the response, a
// piece until the next read. When the request had a body, close() must be awaited before the body's
// source dies, whatever happened. The Request must outlive it. Thread rule: one io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "client/request.hpp"
#include "coding/decoder.hpp"
#include "millrace/client_exchange.hpp"

#include <memory>

namespace millrace::client {

class Response {
 public:
  Response(ExchangePtr exchange, Request& request) noexcept;
  Response(Response&&) noexcept = default;
  Response& operator=(Response&&) = delete;
  ~Response();

  [[nodiscard]] int status() const noexcept { return http().status(); }
  [[nodiscard]] http::Version version() const noexcept { return http().version(); }
  /// As received, framing and hop-by-hop fields included; without Content-Encoding where it is
  /// undone.
  [[nodiscard]] const http::Fields& fields() const noexcept { return http().fields(); }
  /// Of the body that read() gives; kNone for HEAD, 204 and 304.
  [[nodiscard]] http::BodyLength body_length() const noexcept {
    return decoder_ != nullptr ? http::BodyLength::unknown() : http().body_length();
  }

  /// The next piece; empty at the clean end. Errors: kUpstreamTruncated, kUpstreamReset,
  /// kUpstreamBadMessage, kUpstreamBadCoding, kUpstreamTooLarge, kUpstreamIdleTimeout, the scope's.
  [[nodiscard]] Task<Result<Bytes>> read();
  /// The body was read to its end: read() would say so without waiting.
  [[nodiscard]] bool done() const noexcept {
    return decoder_ != nullptr ? decoded_ : http().body_done();
  }

  /// The fields behind the body, once it was read to its end; nullptr: none.
  [[nodiscard]] const http::Fields* trailers() const { return http().trailers(); }

  /// The upstream has switched to request.upgrade: read() gives what it says, and send_tunnel()
  /// begins to send what `source` gives, whose end ends our direction. close() must be awaited.
  [[nodiscard]] bool is_tunnel() const noexcept { return http().is_tunnel(); }
  void send_tunnel(BodySource& source) { http().send_tunnel(source); }

  /// A Content-Encoding is being undone.
  [[nodiscard]] bool is_decoding() const noexcept { return decoder_ != nullptr; }
  /// Undoes the Content-Encoding from here on, if there is one. Before the first read. Error:
  /// kUpstreamBadCoding for one that is unknown.
  [[nodiscard]] Result<void> start_decoding();

  /// Another request, in the same words, stands for the one that this answers: from here on that
  /// one must outlive it. Not while the first one's body may still be sent.
  void belongs_to(Request& request) noexcept { request_ = &request; }

  /// The request's body is still on its way.
  [[nodiscard]] bool is_sending() const noexcept { return http().sending(); }

  /// Lets the connection go, and the request's body with it. Views end here, which is at once where
  /// nothing is being sent.
  [[nodiscard]] Task<void> close();

 private:
  [[nodiscard]] ClientExchange& http() const noexcept { return *exchange_; }
  [[nodiscard]] Task<void> stop();
  [[nodiscard]] Task<Result<Bytes>> read_wire();
  [[nodiscard]] Task<Result<Bytes>> read_in_time();
  [[nodiscard]] Task<Result<Bytes>> read_decoded();
  [[nodiscard]] Result<Bytes> decode_some();

  ExchangePtr exchange_;
  Request* request_;
  std::uint64_t received_bytes_ = 0;
  std::unique_ptr<coding::Decoder> decoder_;  // nullptr: bodies come as they are
  ByteBuffer plain_;                          // what the decoder gave last
  Bytes encoded_;                             // not yet decoded, in the connection's buffer
  bool more_inside_ = false;                  // the decoder filled plain_: it may hold back more
  bool decoded_ = false;                      // to the end
};

}  // namespace millrace::client
