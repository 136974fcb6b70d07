// Content codings undone (RFC 9110 section 8.4.1): encoded bytes in, plain bytes out, in bounded
// steps.
//
// The caller brings both ends and decides how much work a step may be; nothing is buffered beyond
// what the coding itself needs: its window. gzip and deflate: 32 KiB, allocated with the decoder;
// zstd up to 8 MiB, br up to 16 MiB, as their streams ask.
//
//   for (;;) {
//     const auto step = decoder.decode(in, out);           // error: give up the message
//     use(out.first(step->produced));
//     in = in.subspan(step->consumed);
//     if (in.empty() && step->produced < out.size()) break;  // everything that `in` holds is out
//   }
//   ... and after the last piece: decoder.finish().
//
// Errors: kUpstreamBadCoding when the bytes are damaged, cut short or followed by others;
// kUpstreamTooLarge when they would become more than the limits allow. What the failing step wrote
// is to be thrown away, and so is the decoder.
//
// Thread rule: one thread at a time.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace millrace::coding {

struct DecodeLimits {
  /// Plain bytes of one message.
  std::uint64_t output_bytes_max = std::numeric_limits<std::uint64_t>::max();
  /// Plain bytes per encoded byte given so far, once there are more than `ratio_free_bytes`: text
  /// shrinks to a tenth, a bomb to a thousandth.
  std::uint64_t ratio_max = 100;
  std::uint64_t ratio_free_bytes = std::uint64_t{1024} * 1024;
};

class Decoder {
 public:
  struct Step {
    std::size_t consumed = 0;  ///< of `in`
    std::size_t produced = 0;  ///< at the front of `out`
  };

  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual ~Decoder() = default;

  /// Decodes until `in` is used up or `out` is full. `out` must not be empty. When `out` was filled
  /// there may be more to come, even without input.
  [[nodiscard]] Result<Step> decode(std::span<const char> in, std::span<char> out);

  /// After the last input, with everything pulled out: was it whole? No input at all is: the empty
  /// body.
  [[nodiscard]] Result<void> finish() const;

  [[nodiscard]] std::uint64_t consumed_bytes() const noexcept { return consumed_bytes_; }
  [[nodiscard]] std::uint64_t produced_bytes() const noexcept { return produced_bytes_; }

 protected:
  explicit Decoder(const DecodeLimits& limits) noexcept : limits_(limits) {}

  /// As decode, without the limits.
  [[nodiscard]] virtual Result<Step> step(std::span<const char> in, std::span<char> out) = 0;
  /// Does the input, at least one byte, end where a message may end?
  [[nodiscard]] virtual bool complete() const noexcept = 0;
  /// What is wrong when it does not.
  [[nodiscard]] virtual Errc unfinished() const noexcept { return Errc::kUpstreamBadCoding; }

 private:
  const DecodeLimits limits_;
  std::uint64_t consumed_bytes_ = 0;
  std::uint64_t produced_bytes_ = 0;
};

/// Codings undone one after the other; `identity` is not counted.
inline constexpr std::size_t kCodingsMax = 2;

/// For the value of Content-Encoding (several lines joined by commas). Null: nothing to undo.
/// kUpstreamBadCoding: a coding that we do not know, or more than kCodingsMax.
[[nodiscard]] Result<std::unique_ptr<Decoder>> make_decoder(std::string_view content_encoding,
                                                            const DecodeLimits& limits = {});

/// For our own requests: the codings that make_decoder knows, as "gzip, deflate, br, zstd".
[[nodiscard]] const std::string& accept_encoding();

}  // namespace millrace::coding
