#include "coding/decoder.hpp"

#include "coding/coding.hpp"
#include "http/ascii.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace millrace::coding {

namespace {

/// Two codings on top of one another: what `outer` gives goes through `inner`.
class StackedDecoder final : public Decoder {
 public:
  static constexpr std::size_t kBetweenBytes = std::size_t{16} * 1024;

  StackedDecoder(std::unique_ptr<Decoder> outer, std::unique_ptr<Decoder> inner,
                 const DecodeLimits& limits)
      : Decoder(limits), outer_(std::move(outer)), inner_(std::move(inner)) {}

 private:
  Result<Step> step(std::span<const char> in, std::span<char> out) override {
    Step total;
    for (;;) {
      // First what lies between, so that `outer` finds its whole buffer free.
      const auto inner = inner_->decode(ready_, out.subspan(total.produced));
      if (!inner) return inner;
      ready_ = ready_.subspan(inner->consumed);
      total.produced += inner->produced;
      if (total.produced == out.size()) return total;

      const auto outer = outer_->decode(in.subspan(total.consumed), between_);
      if (!outer) return outer;
      total.consumed += outer->consumed;
      ready_ = std::span(between_).first(outer->produced);
      if (ready_.empty()) return total;
    }
  }

  bool complete() const noexcept override {
    return ready_.empty() && outer_->finish() && inner_->finish();
  }

  Errc unfinished() const noexcept override {
    const auto inner = inner_->finish();
    return inner ? Errc::kUpstreamBadCoding : inner.error().errc;
  }

  const std::unique_ptr<Decoder> outer_;
  const std::unique_ptr<Decoder> inner_;
  std::array<char, kBetweenBytes> between_;
  std::span<const char> ready_;
};

const Coding* find_coding(std::string_view name) noexcept {
  const auto codings = all_codings();
  const auto it = std::ranges::find_if(codings, [&](const Coding* c) {
    return http::iequals(c->name, name) || (!c->alias.empty() && http::iequals(c->alias, name));
  });
  return it == codings.end() ? nullptr : *it;
}

}  // namespace

Result<Decoder::Step> Decoder::decode(std::span<const char> in, std::span<char> out) {
  assert(!out.empty());
  const auto done = step(in, out);
  if (!done) return done;
  consumed_bytes_ += done->consumed;
  produced_bytes_ += done->produced;
  if (produced_bytes_ > limits_.output_bytes_max) return fail(Errc::kUpstreamTooLarge);
  if (produced_bytes_ > limits_.ratio_free_bytes &&
      (produced_bytes_ - 1) / limits_.ratio_max >= consumed_bytes_)  // > without overflow
    return fail(Errc::kUpstreamTooLarge);
  return done;
}

Result<void> Decoder::finish() const {
  if (consumed_bytes_ == 0 || complete()) return {};
  return fail(unfinished());
}

Result<std::unique_ptr<Decoder>> make_decoder(std::string_view content_encoding,
                                              const DecodeLimits& limits) {
  std::array<const Coding*, kCodingsMax> found{};
  std::size_t count = 0;
  bool good = true;
  http::for_each_element(content_encoding, [&](std::string_view name) {
    if (http::iequals(name, "identity")) return true;
    const Coding* coding = find_coding(name);
    good = coding != nullptr && count < found.size();
    if (good) found[count++] = coding;
    return good;
  });
  if (!good) return fail(Errc::kUpstreamBadCoding);
  // Listed in the order in which they were applied: the last one is undone first.
  std::unique_ptr<Decoder> decoder;
  if (count > 0) decoder = found[0]->make_decoder(limits);
  for (std::size_t i = 1; i < count; ++i)
    decoder = std::make_unique<StackedDecoder>(found[i]->make_decoder(limits), std::move(decoder),
                                               limits);
  return decoder;
}

const std::string& accept_encoding() {
  static const std::string value = [] {
    std::string list;
    for (const Coding* c : all_codings()) {
      if (!list.empty()) list += ", ";
      list += c->name;
    }
    return list;
  }();
  return value;
}

}  // namespace millrace::coding
