// zlib's inflate as a tiny RAII type, shared by gzip and deflate.
//
// Thread rule: one thread at a time.
#pragma once

#include "coding/decoder.hpp"

#include <zlib.h>

namespace millrace::coding {

class Inflate {
 public:
  enum class Format : int { kRaw = -MAX_WBITS, kZlib = MAX_WBITS, kGzip = MAX_WBITS + 16 };

  /// Allocates ~40 KiB; throws std::bad_alloc.
  explicit Inflate(Format format);
  Inflate(const Inflate&) = delete;
  Inflate& operator=(const Inflate&) = delete;
  ~Inflate();

  /// Until `in` is used up, `out` is full or the stream ends. kUpstreamBadCoding.
  [[nodiscard]] Result<Decoder::Step> run(std::span<const char> in, std::span<char> out);
  /// The stream has ended and its checksum was right.
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  /// For another stream of the same format.
  void restart();

 private:
  z_stream stream_{};
  bool ended_ = false;
};

}  // namespace millrace::coding
