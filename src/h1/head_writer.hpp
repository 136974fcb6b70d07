// Serialises heads. Framing fields and Connection are generated here, from the body's length and
// the connection's state; whatever a head holds of them is left out.
//
// Thread rule: pure functions but for the cached Date line, which is per thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "http/head.hpp"

namespace millrace::h1 {

struct ResponseFraming {
  bool chunked = false;      ///< Transfer-Encoding: chunked
  bool zero_length = false;  ///< Content-Length: 0
  bool close = false;        ///< Connection: close
  bool keep_alive = false;   ///< Connection: keep-alive, for HTTP/1.0 clients that asked for it
  std::string_view upgrade;  ///< for 101: the protocol that goes on
};

/// `head.body` known: Content-Length. Adds Date where there is none.
void write_response_head(ByteBuffer& out, const http::ResponseHead& head,
                         const ResponseFraming& framing);
/// 1xx: no framing, no Date.
void write_interim_head(ByteBuffer& out, int status, const http::Fields& fields);

struct RequestLine {
  std::string_view method;
  std::string_view target;
  std::string_view host;          ///< becomes the Host field
  std::string_view upgrade = {};  ///< the protocol to go on with; empty: none
};
/// Connection names what is there for the next hop alone: Upgrade, and TE where the fields hold it.
/// `body`: kKnown gives Content-Length (0 only for methods that expect a body), kUnknown chunked.
void write_request_head(ByteBuffer& out, const RequestLine& line, const http::Fields& fields,
                        http::BodyLength body, bool expects_body);

/// The last chunk and the trailer section; nullptr: without fields.
void write_last_chunk(ByteBuffer& out, const http::Fields* trailers);

/// "1a\r\n": the line in front of a chunk.
void write_chunk_line(ByteBuffer& out, std::size_t bytes);

}  // namespace millrace::h1
