#include "http/fields.hpp"

#include "http/ascii.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace millrace::http {
namespace {

constexpr std::size_t kIds = static_cast<std::size_t>(FieldId::kCount_);
constexpr std::size_t kNameBytesMax = 32;

// In the order of FieldId.
constexpr std::array<std::string_view, kIds> kNames{
    "",
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Age",
    "Allow",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Security-Policy",
    "Content-Type",
    "Cookie",
    "Date",
    "ETag",
    "Expect",
    "Forwarded",
    "Host",
    "HTTP2-Settings",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Last-Modified",
    "Location",
    "Origin",
    "Priority",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Proxy-Status",
    "Range",
    "Referer",
    "Retry-After",
    "Server",
    "Server-Timing",
    "Set-Cookie",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "Vary",
    "Via",
    "WWW-Authenticate",
    "X-Content-Type-Options",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Queue-Time",
    "X-Request-Deadline",
    "X-Request-Id",
};

// A name in lower case, and 0x20 under each letter: (input | mask) == lower holds for exactly the
// spellings of this name, whatever the input's bytes are. Compared eight bytes at a time.
struct Pattern {
  std::array<char, kNameBytesMax> lower{};
  std::array<char, kNameBytesMax> mask{};
};

consteval std::array<Pattern, kIds> make_patterns() {
  std::array<Pattern, kIds> patterns{};
  for (std::size_t id = 0; id < kIds; ++id) {
    for (std::size_t i = 0; i < kNames[id].size(); ++i) {
      patterns[id].lower[i] = to_lower(kNames[id][i]);
      patterns[id].mask[i] = is(kNames[id][i], kAlpha) ? 0x20 : 0;
    }
  }
  return patterns;
}
constexpr std::array<Pattern, kIds> kPatterns = make_patterns();

// A perfect hash over length, first and last letter; its factor is searched at compile time, so
// that a new name needs no more than its line above.
constexpr std::size_t kSlots = 256;

constexpr std::size_t slot_of(std::string_view name, std::uint32_t factor) noexcept {
  const auto byte = [](char c) { return static_cast<std::uint32_t>(c | 0x20) & 0xffU; };
  const std::uint32_t key =
      static_cast<std::uint32_t>(name.size()) << 16 | byte(name.front()) << 8 | byte(name.back());
  return (key * factor) >> 24;
}

consteval bool is_perfect(std::uint32_t factor) {
  std::array<bool, kSlots> taken{};
  for (std::size_t id = 1; id < kIds; ++id) {
    bool& slot = taken[slot_of(kNames[id], factor)];
    if (slot) return false;
    slot = true;
  }
  return true;
}

consteval std::uint32_t find_factor() {
  std::uint32_t factor = 0x9e3779b1;
  while (!is_perfect(factor)) factor = factor * 1664525 + 1013904223 | 1;
  return factor;
}
constexpr std::uint32_t kFactor = find_factor();

consteval std::array<FieldId, kSlots> make_slots() {
  std::array<FieldId, kSlots> slots{};
  for (std::size_t id = 1; id < kIds; ++id)
    slots[slot_of(kNames[id], kFactor)] = static_cast<FieldId>(id);
  return slots;
}
constexpr std::array<FieldId, kSlots> kSlotIds = make_slots();

template <class Word>
bool same_word(const char* input, const Pattern& pattern, std::size_t at) noexcept {
  Word in;
  Word lower;
  Word mask;
  std::memcpy(&in, input + at, sizeof in);
  std::memcpy(&lower, pattern.lower.data() + at, sizeof lower);
  std::memcpy(&mask, pattern.mask.data() + at, sizeof mask);
  return (in | mask) == lower;
}

bool matches(std::string_view input, const Pattern& pattern) noexcept {
  const char* const text = input.data();
  const std::size_t size = input.size();
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8)
      if (!same_word<std::uint64_t>(text, pattern, at)) return false;
    return same_word<std::uint64_t>(text, pattern, size - 8);
  }
  if (size >= 4)
    return same_word<std::uint32_t>(text, pattern, 0) &&
           same_word<std::uint32_t>(text, pattern, size - 4);
  for (std::size_t at = 0; at < size; ++at)
    if (!same_word<std::uint8_t>(text, pattern, at)) return false;
  return true;
}

}  // namespace

FieldId field_id(std::string_view name) noexcept {
  if (name.empty()) return FieldId::kOther;
  const FieldId id = kSlotIds[slot_of(name, kFactor)];
  const auto index = static_cast<std::size_t>(id);
  if (kNames[index].size() != name.size()) return FieldId::kOther;
  return matches(name, kPatterns[index]) ? id : FieldId::kOther;
}

std::string_view field_name(FieldId id) noexcept {
  return kNames[static_cast<std::size_t>(id)];
}

std::string_view lower_field_name(FieldId id) noexcept {
  const auto index = static_cast<std::size_t>(id);
  return {kPatterns[index].lower.data(), kNames[index].size()};
}

void Fields::set(FieldId id, std::string_view value) {
  remove(id);
  add(id, value);
}

void Fields::remove(FieldId id) noexcept {
  const auto gone = std::remove_if(list_.begin(), list_.end(),
                                   [id](const Field& field) { return field.id == id; });
  list_.erase(gone, list_.end());
}

const Field* Fields::find(FieldId id) const noexcept {
  for (const Field& field : list_)
    if (field.id == id) return &field;
  return nullptr;
}

const Field* Fields::find(std::string_view name) const noexcept {
  if (const FieldId id = field_id(name); id != FieldId::kOther) return find(id);
  for (const Field& field : list_)
    if (field.id == FieldId::kOther && iequals(field.name, name)) return &field;
  return nullptr;
}

std::string_view Fields::value_or(FieldId id, std::string_view otherwise) const noexcept {
  const Field* const field = find(id);
  return field != nullptr ? field->value : otherwise;
}

std::size_t Fields::count(FieldId id) const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(list_, [id](const Field& field) { return field.id == id; }));
}

bool list_has_token(std::string_view list, std::string_view token) noexcept {
  bool found = false;
  for_each_element(list, [&](std::string_view element) {
    found = iequals(element, token);
    return !found;
  });
  return found;
}

}  // namespace millrace::http
