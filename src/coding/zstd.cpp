// zstd (RFC 8878): one or more frames behind one another, skippable ones among them. Windows are at
// most 8 MiB, which is all that a sender may use in HTTP (RFC 9659); dictionaries are not known.
#include "coding/coding.hpp"

#include <algorithm>
#include <array>
#include <new>

#include <zstd.h>
#include <zstd_errors.h>

namespace millrace::coding {

namespace {

constexpr int kWindowLogMax = 23;  // 8 MiB

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

/// The first bytes of a frame, looked at as they pass by: the library would also take the formats
/// from before the RFC, whose windows it does not limit.
class FrameMagic {
 public:
  /// False: no frame begins so.
  bool pass(std::span<const char> in) noexcept {
    const std::size_t count = std::min(in.size(), kBytes - seen_);
    for (const char c : in.first(count)) {
      const auto byte = static_cast<unsigned char>(c);
      if (seen_ == 0) skippable_ = (byte & 0xf0) == 0x50;
      const auto& magic = skippable_ ? kSkippable : kFrame;
      if (byte != magic[seen_] && !(seen_ == 0 && skippable_)) return false;
      ++seen_;
    }
    return true;
  }
  void restart() noexcept { seen_ = 0; }

 private:
  static constexpr std::size_t kBytes = 4;
  static constexpr std::array<unsigned char, kBytes> kFrame{0x28, 0xb5, 0x2f, 0xfd};
  static constexpr std::array<unsigned char, kBytes> kSkippable{0x50, 0x2a, 0x4d, 0x18};
  std::size_t seen_ = 0;
  bool skippable_ = false;
};

class ZstdDecoder final : public Decoder {
 public:
  explicit ZstdDecoder(const DecodeLimits& limits) : Decoder(limits), context_(ZSTD_createDCtx()) {
    if (!context_ || ZSTD_isError(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax,
                                                         kWindowLogMax)) != 0)
      throw std::bad_alloc();
  }

 private:
  Result<Step> step(std::span<const char> in, std::span<char> out) override {
    Step total;
    while (total.produced < out.size() && (total.consumed < in.size() || more_)) {
      const auto part = run(in.subspan(total.consumed), out.subspan(total.produced));
      if (!part) return part;
      total.consumed += part->consumed;
      total.produced += part->produced;
    }
    return total;
  }

  bool complete() const noexcept override { return ended_; }

  /// Within one frame, until `in` is used up, `out` is full or the frame ends.
  Result<Step> run(std::span<const char> in, std::span<char> out) {
    if (!magic_.pass(in)) return fail(Errc::kUpstreamBadCoding);
    ZSTD_inBuffer source{in.data(), in.size(), 0};
    ZSTD_outBuffer target{out.data(), out.size(), 0};
    const std::size_t status = ZSTD_decompressStream(context_.get(), &target, &source);
    if (ZSTD_isError(status) != 0)
      return fail(ZSTD_getErrorCode(status) == ZSTD_error_memory_allocation
                      ? Errc::kOutOfMemory
                      : Errc::kUpstreamBadCoding);
    ended_ = status == 0;
    if (ended_) magic_.restart();
    // Without room there may be more; asked once more it says so by giving nothing.
    more_ = !ended_ && target.pos == out.size();
    return Step{source.pos, target.pos};
  }

  const std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
  FrameMagic magic_;
  bool ended_ = false;
  bool more_ = false;
};

}  // namespace

extern constinit const Coding coding_zstd{
    .name = "zstd",
    .alias = "",
    .make_decoder = [](const DecodeLimits& limits) -> std::unique_ptr<Decoder> {
      return std::make_unique<ZstdDecoder>(limits);
    }};

}  // namespace millrace::coding
