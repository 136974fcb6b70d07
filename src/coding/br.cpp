// br (RFC 7932): one brotli stream, with windows of at most 16 MiB. The large windows that the
// library knows beside the RFC stay off.
//
// The library decodes until its window is full, whatever room the caller has: 50 bytes could cost
// 16 MiB and 50 ms at once. It makes the window as large as the output announced so far, so a
// window that would break the ratio limit is refused while the input is still too short for it.
// When more has come the stream is decoded anew from its beginning, which is kept as long as that
// may happen: 84 KB with the ratio of 100, and at most three times.
#include "coding/coding.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

#include <brotli/decode.h>

namespace millrace::coding {

namespace {

constexpr std::uint64_t kWindowBytesMax = std::uint64_t{1} << 24;
/// Never refused: tables are smaller than this, too.
constexpr std::uint64_t kWindowBytesFree = std::uint64_t{2} << 20;
/// What the library adds to a window (it is 542 bytes).
constexpr std::uint64_t kWindowSlackBytes = 4096;

struct FreeState {
  void operator()(BrotliDecoderState* state) const noexcept { BrotliDecoderDestroyInstance(state); }
};

bool is_out_of_memory(BrotliDecoderErrorCode code) noexcept {
  return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
         code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

class BrotliDecoder final : public Decoder {
 public:
  explicit BrotliDecoder(const DecodeLimits& limits)
      : Decoder(limits),
        // A window is up to twice what it is for.
        window_per_byte_(2 * std::clamp<std::uint64_t>(limits.ratio_max, 1, kWindowBytesMax)),
        window_bytes_free_(
            std::max(2 * std::min(limits.ratio_free_bytes, kWindowBytesMax), kWindowBytesFree)) {
    begin();
  }

 private:
  Result<Step> step(std::span<const char> in, std::span<char> out) override {
    Step total;
    for (;;) {
      if (waiting()) {
        total.consumed += in.size();
        take(std::exchange(in, {}));
        if (waiting()) return total;
        begin();
      }
      if (!decoding_again()) break;
      const auto again = decode_again(out.subspan(total.produced));
      if (!again) return again;
      total.produced += again->produced;
      if (total.produced == out.size()) return total;
    }
    const auto fresh = decode_fresh(in, out.subspan(total.produced));
    if (!fresh) return fresh;
    return Step{total.consumed + fresh->consumed, total.produced + fresh->produced};
  }

  bool complete() const noexcept override {
    return !waiting() && !decoding_again() && BrotliDecoderIsFinished(state_.get()) == BROTLI_TRUE;
  }
  Errc unfinished() const noexcept override {
    return waiting() ? Errc::kUpstreamTooLarge : Errc::kUpstreamBadCoding;
  }

  /// A window was refused, and the input is still too short for it.
  bool waiting() const noexcept { return input_bytes_ < input_wanted_; }
  bool decoding_again() const noexcept { return held_at_ < held_.size() || skip_bytes_ > 0; }
  std::uint64_t input_for(std::uint64_t window) const noexcept {
    return (window + window_per_byte_ - 1) / window_per_byte_;
  }

  /// From the first byte of what is held.
  void begin() {
    state_.reset(BrotliDecoderCreateInstance(&allocate, &release, this));
    if (!state_) throw std::bad_alloc();
    held_at_ = 0;
    skip_bytes_ = given_bytes_;
  }
  void take(std::span<const char> in) {
    held_.append(in.data(), in.size());
    input_bytes_ += in.size();
  }

  Result<Step> decode_fresh(std::span<const char> in, std::span<char> out) {
    // All of `in` is there, so all of it counts for a window.
    const std::uint64_t before = std::exchange(input_bytes_, input_bytes_ + in.size());
    const auto done = run(in, out);
    input_bytes_ = before;
    if (!done) return done;
    take(refused_ ? in : in.first(done->consumed));
    if (refused_) return Step{in.size(), 0};
    given_bytes_ += done->produced;
    if (input_bytes_ >= input_for(kWindowBytesMax)) held_ = {};  // no window is refused any more
    held_at_ = held_.size();
    return done;
  }

  Result<Step> decode_again(std::span<char> out) {
    const bool skipping = skip_bytes_ > 0;
    if (skipping) out = out.first(std::min<std::uint64_t>(out.size(), skip_bytes_));
    const auto done = run(std::span(held_).subspan(held_at_), out);
    if (!done || refused_) return refused_ ? Step{} : done;
    assert(done->consumed + done->produced > 0 && "the same bytes give the same");
    held_at_ += done->consumed;
    if (skipping) {
      skip_bytes_ -= done->produced;
      return Step{};
    }
    given_bytes_ += done->produced;
    return Step{0, done->produced};
  }

  Result<Step> run(std::span<const char> in, std::span<char> out) {
    std::size_t in_left = in.size(), out_left = out.size();
    const auto* next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    auto* next_out = reinterpret_cast<std::uint8_t*>(out.data());
    refused_ = false;
    const auto status = BrotliDecoderDecompressStream(state_.get(), &in_left, &next_in, &out_left,
                                                      &next_out, nullptr);
    if (refused_) return Step{};
    if (status == BROTLI_DECODER_RESULT_ERROR)
      return fail(is_out_of_memory(BrotliDecoderGetErrorCode(state_.get()))
                      ? Errc::kOutOfMemory
                      : Errc::kUpstreamBadCoding);
    if (status == BROTLI_DECODER_RESULT_SUCCESS && in_left > 0)  // something follows the end
      return fail(Errc::kUpstreamBadCoding);
    return Step{in.size() - in_left, out.size() - out_left};
  }

  static void* allocate(void* self, std::size_t bytes) noexcept {
    return static_cast<BrotliDecoder*>(self)->may_allocate(bytes) ? std::malloc(bytes) : nullptr;
  }
  static void release(void*, void* memory) noexcept { std::free(memory); }

  bool may_allocate(std::uint64_t bytes) noexcept {
    const std::uint64_t window = bytes - std::min(bytes, kWindowSlackBytes);
    if (window <= window_bytes_free_ || input_bytes_ >= input_for(window)) return true;
    refused_ = true;
    input_wanted_ = input_for(window);
    return false;
  }

  const std::uint64_t window_per_byte_;
  const std::uint64_t window_bytes_free_;
  std::unique_ptr<BrotliDecoderState, FreeState> state_;
  std::uint64_t input_bytes_ = 0;   ///< that came so far
  std::uint64_t input_wanted_ = 0;  ///< for the window that was refused last
  std::uint64_t given_bytes_ = 0;   ///< that the caller has
  std::uint64_t skip_bytes_ = 0;    ///< of those, to be decoded again before anything new
  std::string held_;                ///< the input from its beginning
  std::size_t held_at_ = 0;         ///< the present state has had so much of it
  bool refused_ = false;            ///< by the last run
};

}  // namespace

extern constinit const Coding coding_br{
    .name = "br",
    .alias = "",
    .make_decoder = [](const DecodeLimits& limits) -> std::unique_ptr<Decoder> {
      return std::make_unique<BrotliDecoder>(limits);
    }};

}  // namespace millrace::coding
