// gzip (RFC 1952): one or more members behind one another, each with its checksum.
#include "coding/coding.hpp"
#include "coding/inflate.hpp"

namespace millrace::coding {

namespace {

class GzipDecoder final : public Decoder {
 public:
  explicit GzipDecoder(const DecodeLimits& limits) : Decoder(limits) {}

 private:
  Result<Step> step(std::span<const char> in, std::span<char> out) override {
    Step total;
    do {
      // What follows a member must be another one, else inflate says so.
      if (inflate_.ended() && !in.empty()) inflate_.restart();
      const auto part = inflate_.run(in, out.subspan(total.produced));
      if (!part) return part;
      in = in.subspan(part->consumed);
      total.consumed += part->consumed;
      total.produced += part->produced;
    } while (inflate_.ended() && !in.empty() && total.produced < out.size());
    return total;
  }
  bool complete() const noexcept override { return inflate_.ended(); }

  Inflate inflate_{Inflate::Format::kGzip};
};

}  // namespace

extern constinit const Coding coding_gzip{
    .name = "gzip",
    .alias = "x-gzip",  // RFC 9110 section 8.4.1.3
    .make_decoder = [](const DecodeLimits& limits) -> std::unique_ptr<Decoder> {
      return std::make_unique<GzipDecoder>(limits);
    }};

}  // namespace millrace::coding
