// deflate (RFC 9110 section 8.4.1.2): the zlib format (RFC 1950), or, as some servers have it, raw
// (RFC 1951).
#include "coding/coding.hpp"
#include "coding/inflate.hpp"

#include <array>
#include <optional>

namespace millrace::coding {

namespace {

/// RFC 1950 section 2.2: method 8, a window of at most 32 KiB, no dictionary, a multiple of 31.
bool is_zlib_header(unsigned char cmf, unsigned char flg) noexcept {
  return (cmf & 0x0f) == 8 && cmf >> 4 <= 7 && (flg & 0x20) == 0 && (cmf * 256 + flg) % 31 == 0;
}

class DeflateDecoder final : public Decoder {
 public:
  explicit DeflateDecoder(const DecodeLimits& limits) : Decoder(limits) {}

 private:
  Result<Step> step(std::span<const char> in, std::span<char> out) override {
    const std::size_t taken = take_header(in);
    in = in.subspan(taken);
    if (!inflate_) return Step{taken, 0};
    // A raw stream may give its first byte, and end, within the two that told the format.
    std::size_t early = 0;
    if (!unread_header_.empty()) {
      const auto first = inflate_->run(unread_header_, out);
      if (!first) return first;
      unread_header_ = unread_header_.subspan(first->consumed);
      early = first->produced;
      out = out.subspan(early);
    }
    if (inflate_->ended() && !(unread_header_.empty() && in.empty()))
      return fail(Errc::kUpstreamBadCoding);
    if (!unread_header_.empty() || out.empty()) return Step{taken, early};
    const auto rest = inflate_->run(in, out);
    if (!rest) return rest;
    return Step{taken + rest->consumed, early + rest->produced};
  }

  bool complete() const noexcept override { return inflate_ && inflate_->ended(); }

  /// Holds back the first two bytes and chooses the format by them. How many it took.
  std::size_t take_header(std::span<const char> in) {
    std::size_t taken = 0;
    for (; header_length_ < header_.size() && taken < in.size(); ++taken)
      header_[header_length_++] = in[taken];
    if (inflate_ || header_length_ < header_.size()) return taken;
    const bool zlib = is_zlib_header(static_cast<unsigned char>(header_[0]),
                                     static_cast<unsigned char>(header_[1]));
    inflate_.emplace(zlib ? Inflate::Format::kZlib : Inflate::Format::kRaw);
    unread_header_ = header_;
    return taken;
  }

  std::array<char, 2> header_{};
  std::size_t header_length_ = 0;
  std::span<const char> unread_header_;
  std::optional<Inflate> inflate_;
};

}  // namespace

extern constinit const Coding coding_deflate{
    .name = "deflate",
    .alias = "",
    .make_decoder = [](const DecodeLimits& limits) -> std::unique_ptr<Decoder> {
      return std::make_unique<DeflateDecoder>(limits);
    }};

}  // namespace millrace::coding
