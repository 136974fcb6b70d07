#include "compute/top_words.hpp"

#include "compute/sip_hash.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

namespace millrace::compute {
namespace {

constexpr std::size_t kFirstSlots = 1024;
/// Input is joined to whole blocks in pieces of this size, however it arrives.
constexpr std::size_t kPieceBytes = 16 * 1024;

}  // namespace

TopWords::TopWords(Seed seed, TopWordsLimits limits, Simd simd)
    : seed_(seed),
      limits_(limits),
      scanner_(&text_scanner(simd)),
      counter_(simd),
      slots_(kFirstSlots) {}

Result<void> TopWords::update(std::span<const std::byte> bytes) {
  counter_.update(bytes);
  while (!bytes.empty()) {
    const std::size_t taken = std::min(bytes.size(), kPieceBytes);
    input_.insert(input_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    bytes = bytes.subspan(taken);
    if (const auto drained = drain(false); !drained) return drained;
  }
  return {};
}

/// Judges whole blocks; at the end also the rest, which zeros complete.
Result<void> TopWords::drain(bool last) {
  const std::size_t size = input_.size();
  if (last) input_.resize(size + kTextBlock);
  std::size_t at = 0;
  while (input_.size() - at >= kTextBlock && at < size) {
    TextBlock judged;
    scanner_->classify(input_.data() + at, judged);
    if (last)
      judged.length = static_cast<unsigned>(std::min<std::size_t>(judged.length, size - at));
    if (const auto done = block(input_.data() + at, judged); !done) return done;
    at += judged.length;
  }
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(at));
  return {};
}

Result<void> TopWords::block(const std::byte* p, const TextBlock& judged) {
  TextBlock b = judged;
  const std::uint64_t live = ~std::uint64_t{0} >> (kTextBlock - b.length);
  b.separators &= live;
  b.neutrals &= live;
  std::uint64_t starts = word_starts(b, outside_);
  unsigned at = 0;
  while (at < b.length) {
    if (word_.empty()) {
      if (starts == 0) return {};
      at = static_cast<unsigned>(std::countr_zero(starts));
      starts &= starts - 1;
    }
    const std::uint64_t ends = b.separators >> at << at;
    const unsigned end = ends != 0 ? static_cast<unsigned>(std::countr_zero(ends)) : b.length;
    if (const auto extended = extend(p + at, end - at); !extended) return extended;
    if (ends == 0) return {};
    if (const auto closed = close_word(); !closed) return closed;
    at = end;
  }
  return {};
}

Result<void> TopWords::extend(const std::byte* p, std::size_t size) {
  if (size > limits_.text_bytes_max - word_.size()) return fail(Errc::kMediaTooLarge);
  word_.append(reinterpret_cast<const char*>(p), size);
  return {};
}

Result<void> TopWords::close_word() {
  const std::uint64_t hash = sip_hash13(seed_.a, seed_.b, word_);
  const auto check = static_cast<std::uint32_t>(hash >> 32);
  std::size_t slot = hash & (slots_.size() - 1);
  for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
    Entry& e = entries_[slots_[slot] - 1];
    if (e.check != check || std::string_view(text_).substr(e.offset, e.size) != word_) continue;
    ++e.count;
    word_.clear();
    return {};
  }
  if (entries_.size() == limits_.words_max ||
      word_.size() > limits_.text_bytes_max - text_.size()) {
    return fail(Errc::kMediaTooLarge);
  }
  entries_.push_back({text_.size(), static_cast<std::uint32_t>(word_.size()), check, 1});
  text_ += word_;
  word_.clear();
  slots_[slot] = static_cast<std::uint32_t>(entries_.size());
  if (entries_.size() * 2 > slots_.size()) grow();
  return {};
}

void TopWords::grow() {
  slots_.assign(slots_.size() * 2, 0);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& e = entries_[i];
    const std::string_view word = std::string_view(text_).substr(e.offset, e.size);
    std::size_t slot = sip_hash13(seed_.a, seed_.b, word) & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

Result<TopWords::Summary> TopWords::finish(std::size_t k) {
  if (const auto drained = drain(true); !drained) return fail(drained.error());
  if (!word_.empty()) {
    if (const auto closed = close_word(); !closed) return fail(closed.error());
  }
  const auto word_of = [this](const Entry& e) {
    return std::string_view(text_).substr(e.offset, e.size);
  };
  const auto first = [&](const Entry& a, const Entry& b) {
    return a.count != b.count ? a.count > b.count : word_of(a) < word_of(b);
  };
  const std::size_t wanted = std::min(k, entries_.size());
  std::partial_sort(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(wanted),
                    entries_.end(), first);
  Summary summary{.counts = counter_.finish(), .top = {}};
  summary.top.reserve(wanted);
  for (std::size_t i = 0; i < wanted; ++i) {
    summary.top.push_back({std::string(word_of(entries_[i])), entries_[i].count});
  }
  return summary;
}

}  // namespace millrace::compute
