#include "image/jpeg_huffman.hpp"

#include <numeric>

namespace millrace::image {
namespace {

constexpr unsigned kZeroRun = 0xF0;

constexpr HuffmanEntry entry_for(std::uint8_t symbol, unsigned code_bits) noexcept {
  const auto size = static_cast<std::uint8_t>(symbol & 15);
  const auto run = static_cast<std::uint8_t>(symbol >> 4);
  std::uint8_t advance = static_cast<std::uint8_t>(run + 1);
  if (size == 0) advance = symbol == kZeroRun ? 16 : symbol == 0 ? kEndOfBlock : kBadSymbol;
  // Ten bits hold every AC coefficient of 8-bit samples.
  if (size > 10) advance = kBadSymbol;
  return {static_cast<std::uint8_t>(code_bits), static_cast<std::uint8_t>(code_bits + size),
          advance, size};
}

constexpr HuffmanSpec kStandardDc{.counts = {0, 1, 5, 1, 1, 1, 1, 1, 1},
                                  .symbols = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
                                  .size = 12};

constexpr std::array<HuffmanCode, kDcCategoryMax + 1> make_codes(const HuffmanSpec& spec) noexcept {
  std::array<HuffmanCode, kDcCategoryMax + 1> codes{};
  std::uint32_t code = 0;
  std::uint32_t index = 0;
  for (unsigned length = 1; length <= 16; ++length, code <<= 1) {
    for (unsigned i = 0; i < spec.counts[length - 1]; ++i, ++code) {
      codes[spec.symbols[index++]] = {static_cast<std::uint16_t>(code),
                                      static_cast<std::uint8_t>(length)};
    }
  }
  return codes;
}

constexpr auto kStandardDcCodes = make_codes(kStandardDc);

}  // namespace

Result<void> HuffmanSlots::define(Bytes payload) noexcept {
  while (!payload.empty()) {
    constexpr std::size_t kHeadBytes = 17;
    if (payload.size() < kHeadBytes) return fail(Errc::kMalformedMedia);
    const unsigned slot = u8(payload, 0) & 15;
    const unsigned kind = u8(payload, 0) >> 4;
    HuffmanSpec spec;
    std::memcpy(spec.counts.data(), payload.data() + 1, spec.counts.size());
    spec.size = std::accumulate(spec.counts.begin(), spec.counts.end(), 0u);
    payload = payload.subspan(kHeadBytes);
    if (slot > 3 || kind > 1 || spec.size > spec.symbols.size() || spec.size > payload.size()) {
      return fail(Errc::kMalformedMedia);
    }
    std::memcpy(spec.symbols.data(), payload.data(), spec.size);
    payload = payload.subspan(spec.size);
    (kind == 0 ? dc : ac)[slot] = spec;
  }
  return {};
}

Result<void> HuffmanWalker::build(const HuffmanSpec& spec) noexcept {
  if (spec.size == 0) return fail(Errc::kMalformedMedia);
  spec_ = spec;
  lookup_.fill({});
  std::uint32_t code = 0;
  std::uint32_t index = 0;
  for (unsigned length = 1; length <= 16; ++length, code <<= 1) {
    first_code_[length] = code;
    first_index_[length] = index;
    const std::uint32_t count = spec.counts[length - 1];
    if (code + count > std::uint32_t{1} << length) return fail(Errc::kMalformedMedia);
    for (std::uint32_t i = 0; i < count; ++i, ++code, ++index) {
      if (length > kLookupBits) continue;
      const unsigned spare = kLookupBits - length;
      const HuffmanEntry entry = entry_for(spec.symbols[index], length);
      for (std::uint32_t j = 0; j < 1u << spare; ++j) lookup_[(code << spare) + j] = entry;
    }
  }
  return {};
}

HuffmanEntry HuffmanWalker::long_code(std::uint64_t bits) const noexcept {
  for (unsigned length = kLookupBits + 1; length <= 16; ++length) {
    const auto code = static_cast<std::uint32_t>(bits >> (64 - length));
    const std::uint32_t offset = code - first_code_[length];
    if (offset < spec_.counts[length - 1]) {
      return entry_for(spec_.symbols[first_index_[length] + offset], length);
    }
  }
  return {1, 1, kBadSymbol, 15};
}

Result<void> AcWalker::build(const HuffmanSpec& spec) noexcept {
  constexpr unsigned kBits = HuffmanWalker::kLookupBits;
  if (const auto built = codes_.build(spec); !built) return built;
  for (std::uint64_t i = 0; i < steps_.size(); ++i) {
    const std::uint64_t bits = i << (64 - kBits);
    const HuffmanEntry first = codes_.at(bits);
    steps_[i] = {};
    if (first.code_bits > kBits || first.advance == kBadSymbol) continue;
    steps_[i] = {first.total_bits, first.advance, first.total_bits, first.advance};
    // Behind the looked-up bits `bits` has zeros, which say nothing.
    if (first.advance == kEndOfBlock || first.total_bits >= kBits) continue;
    const HuffmanEntry second = codes_.at(bits << first.total_bits);
    if (first.total_bits + second.code_bits > kBits || second.advance == kBadSymbol) continue;
    steps_[i].pair_bits = static_cast<std::uint8_t>(first.total_bits + second.total_bits);
    steps_[i].pair_advance = static_cast<std::uint8_t>(first.advance + second.advance);
  }
  return {};
}

AcStep AcWalker::long_step(std::uint64_t bits) const noexcept {
  const HuffmanEntry code = codes_.at(bits);
  return {code.total_bits, code.advance, code.total_bits, code.advance};
}

const HuffmanSpec& standard_dc() noexcept {
  return kStandardDc;
}

const std::array<HuffmanCode, kDcCategoryMax + 1>& standard_dc_codes() noexcept {
  return kStandardDcCodes;
}

}  // namespace millrace::image
