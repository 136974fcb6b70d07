// Takes the framing off an HTTP/1 body: Content-Length, chunked (RFC 9112 section 7.1) or until
// close.
//
// Push: give it the bytes that came, it says how many it used and which of them are body. Strict:
// digits are digits, every line ends in CRLF, extensions and trailers hold no controls and stay
// under a limit. Extensions are checked and dropped, the trailer section is kept.
//
// Thread rule: one thread. It keeps no pointers.
#pragma once

#include "base/error.hpp"
#include "http/head.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::h1 {

class BodyDecoder {
 public:
  /// A chunk's size line, extensions included.
  static constexpr std::size_t kChunkLineBytesMax = 256;
  /// Extensions of a whole body: bytes that cost work and carry nothing.
  static constexpr std::size_t kExtensionBytesMax = 16 * 1024;
  static constexpr std::size_t kTrailerBytesMax = 8 * 1024;

  struct Piece {
    std::size_t used = 0;   ///< bytes of the input that are dealt with, `data` included
    std::string_view data;  ///< body bytes, a view into the input; may be empty
  };

  void start(http::BodyLength length) noexcept;

  /// Looks at the front of `bytes`. Gives at most one run of body bytes; call again with the rest.
  /// A piece with used == 0 means: more input is needed. Errors: kBadChunk, kBadTrailer; every
  /// later call fails too.
  [[nodiscard]] Result<Piece> decode(std::string_view bytes);

  /// The whole body was seen. Never true for bodies until close: the connection's end is their end.
  [[nodiscard]] bool done() const noexcept { return state_ == State::kDone; }
  [[nodiscard]] bool until_close() const noexcept { return state_ == State::kUntilClose; }
  /// The trailer section's lines as they came, each with its CRLF; complete once done().
  [[nodiscard]] std::string_view trailer_section() const noexcept { return trailer_section_; }
  /// Bytes that are certain to belong to this body: reading no more than this never takes the next
  /// message's bytes. 0 when it cannot be told.
  [[nodiscard]] std::uint64_t certain_bytes() const noexcept {
    return state_ == State::kLength ? left_ : 0;
  }

 private:
  enum class State : std::uint8_t {
    kDone,
    kLength,
    kUntilClose,
    kSizeBegin,
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerBegin,
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kEndLf,
    kBroken,
  };

  [[nodiscard]] Piece take(std::string_view bytes, State after) noexcept;
  [[nodiscard]] bool step(char c);
  [[nodiscard]] bool size_step(char c) noexcept;
  [[nodiscard]] bool trailer_step(char c);
  [[nodiscard]] bool trailer_syntax(char c) noexcept;

  State state_ = State::kDone;
  std::uint64_t left_ = 0;
  std::uint32_t line_bytes_ = 0;
  std::uint32_t extension_bytes_ = 0;
  std::string trailer_section_;
};

}  // namespace millrace::h1
