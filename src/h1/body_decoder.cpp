#include "h1/body_decoder.hpp"

#include "http/ascii.hpp"

#include <algorithm>

namespace millrace::h1 {

void BodyDecoder::start(http::BodyLength length) noexcept {
  using Kind = http::BodyLength::Kind;
  left_ = 0;
  line_bytes_ = extension_bytes_ = 0;
  trailer_section_.clear();
  switch (length.kind) {
    case Kind::kNone:
      state_ = State::kDone;
      break;
    case Kind::kKnown:
      left_ = length.bytes;
      state_ = left_ == 0 ? State::kDone : State::kLength;
      break;
    case Kind::kUnknown:
      state_ = State::kSizeBegin;
      break;
    case Kind::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
}

BodyDecoder::Piece BodyDecoder::take(std::string_view bytes, State after) noexcept {
  const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
  left_ -= n;
  if (left_ == 0) state_ = after;
  return {n, bytes.substr(0, n)};
}

Result<BodyDecoder::Piece> BodyDecoder::decode(std::string_view bytes) {
  switch (state_) {
    case State::kDone:
      return Piece{};
    case State::kLength:
      return take(bytes, State::kDone);
    case State::kUntilClose:
      return Piece{bytes.size(), bytes};
    case State::kBroken:
      return fail(Errc::kBadChunk);
    default:
      break;
  }
  std::size_t used = 0;
  while (used < bytes.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const Piece data = take(bytes.substr(used), State::kDataCr);
      return Piece{used + data.used, data.data};
    }
    const bool in_trailer = state_ >= State::kTrailerBegin;
    if (!step(bytes[used])) {
      state_ = State::kBroken;
      return fail(in_trailer ? Errc::kBadTrailer : Errc::kBadChunk);
    }
    ++used;
  }
  return Piece{used, {}};
}

bool BodyDecoder::step(char c) {
  switch (state_) {
    case State::kDataCr:
      state_ = State::kDataLf;
      return c == '\r';
    case State::kDataLf:
      state_ = State::kSizeBegin;
      return c == '\n';
    case State::kSizeBegin:
    case State::kSize:
    case State::kExtension:
    case State::kSizeLf:
      return size_step(c);
    default:
      return trailer_step(c);
  }
}

bool BodyDecoder::size_step(char c) noexcept {
  if (state_ == State::kSizeBegin) {
    line_bytes_ = 0;
    left_ = 0;
  }
  if (++line_bytes_ > kChunkLineBytesMax) return false;
  if (state_ == State::kSizeLf) {
    state_ = left_ == 0 ? State::kTrailerBegin : State::kData;
    return c == '\n';
  }
  if (state_ == State::kExtension) {
    if (++extension_bytes_ > kExtensionBytesMax) return false;
    if (c == '\r') state_ = State::kSizeLf;
    return c == '\r' || http::is(c, http::kValueByte);
  }
  if (const int digit = http::hex_digit(c); digit >= 0) {
    state_ = State::kSize;
    // 2^60 - 1 is the largest chunk: nothing that is counted from here on can overflow.
    if (left_ >> 56 != 0) return false;
    left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
    return true;
  }
  if (state_ == State::kSizeBegin) return false;
  state_ = c == '\r' ? State::kSizeLf : State::kExtension;
  return c == '\r' || c == ';';
}

bool BodyDecoder::trailer_step(char c) {
  // The empty line at the end counts, but is not part of it.
  std::size_t end_bytes = 0;
  if (state_ == State::kEndLf)
    end_bytes = 2;
  else if (state_ == State::kTrailerBegin && c == '\r')
    end_bytes = 1;
  else
    trailer_section_.push_back(c);
  return trailer_section_.size() + end_bytes <= kTrailerBytesMax && trailer_syntax(c);
}

bool BodyDecoder::trailer_syntax(char c) noexcept {
  switch (state_) {
    case State::kTrailerBegin:
      state_ = c == '\r' ? State::kEndLf : State::kTrailerName;
      return c == '\r' || http::is(c, http::kTchar);
    case State::kTrailerName:
      if (c == ':') state_ = State::kTrailerValue;
      return c == ':' || http::is(c, http::kTchar);
    case State::kTrailerValue:
      if (c == '\r') state_ = State::kTrailerLf;
      return c == '\r' || http::is(c, http::kValueByte);
    case State::kTrailerLf:
      state_ = State::kTrailerBegin;
      return c == '\n';
    default:  // kEndLf
      state_ = State::kDone;
      return c == '\n';
  }
}

}  // namespace millrace::h1
