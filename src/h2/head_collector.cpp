#include "h2/head_collector.hpp"

#include "h2/limits.hpp"
#include "http/ascii.hpp"

#include <algorithm>
#include <cstring>

namespace millrace::h2 {
namespace {

constexpr std::size_t kPseudoFieldsMax = 5;

// False: a crumb is malformed, which the gate would not see any more.
bool join_cookies(http::Fields& fields) {
  std::size_t size = 0;
  for (const http::Field& f : fields) {
    if (f.id != http::FieldId::kCookie) continue;
    if (!http::is_allowed_in_http2(f)) return false;
    size += f.value.size() + 2;
  }
  char* const text = fields.arena().reserve(size);
  char* at = text;
  for (const http::Field& f : fields) {
    if (f.id != http::FieldId::kCookie) continue;
    if (at != text) {
      *at++ = ';';
      *at++ = ' ';
    }
    if (!f.value.empty()) std::memcpy(at, f.value.data(), f.value.size());
    at += f.value.size();
  }
  fields.remove(http::FieldId::kCookie);
  fields.add({.name = http::lower_field_name(http::FieldId::kCookie),  // the gate insists on it
              .value = {text, static_cast<std::size_t>(at - text)},
              .id = http::FieldId::kCookie});
  return true;
}

// RFC 3986 section 3.1.
bool is_scheme(std::string_view text) noexcept {
  return !text.empty() && http::is(text.front(), http::kAlpha) &&
         std::ranges::all_of(text, [](char c) {
           return http::is(c, http::kAlpha) || http::is(c, http::kDigit) || c == '+' || c == '-' ||
                  c == '.';
         });
}

}  // namespace

void HeadCollector::add_pseudo(std::string_view name, std::string_view value) noexcept {
  std::string_view* const place = place_of(name);
  if (place == nullptr || !place->empty() || value.empty() || has_fields_)
    fault_ = Errc::kBadField;
  else
    *place = value;
}

std::string_view* HeadCollector::place_of(std::string_view name) noexcept {
  switch (name.size()) {
    case 5:
      return name == ":path" ? &raw.target : nullptr;
    case 7:
      if (name == ":method") return &raw.method_text;
      return name == ":scheme" ? &scheme_ : nullptr;
    case 9:
      return name == ":protocol" ? &raw.protocol : nullptr;
    case 10:
      return name == ":authority" ? &raw.authority : nullptr;
    default:
      return nullptr;
  }
}

void HeadCollector::add_field(std::string_view name, std::string_view value, http::Fields& fields) {
  has_fields_ = true;
  const http::Field field{.name = name, .value = value, .id = http::field_id(name)};
  fields.add(field);
  if (field.id == http::FieldId::kCookie) ++cookies_;
  if (field.id == http::FieldId::kPriority) http::read_priority(value, priority);
}

bool HeadCollector::add(nghttp2_rcbuf* name_text, nghttp2_rcbuf* value_text, http::Fields& fields) {
  const std::string_view name = view(name_text);
  const std::string_view value = view(value_text);
  ++count_;
  bytes_ += http2_size({.name = name, .value = value});
  if (fault_ == Errc::kCount_) {
    if (bytes_ > limits_.head_bytes_max) fault_ = Errc::kHeadTooLarge;
    if (count_ > limits_.fields_max + kPseudoFieldsMax) fault_ = Errc::kTooManyFields;
  }
  if (fault_ != Errc::kCount_) return count_ <= limits_.fields_max + kIgnoredFieldsMax;
  held_.emplace_back(value_text);
  if (name.starts_with(':')) {
    add_pseudo(name, value);
    return true;
  }
  held_.emplace_back(name_text);
  add_field(name, value, fields);
  return true;
}

// RFC 9113 sections 8.3.1 and 8.5, RFC 8441 section 4. The values are the gate's to judge.
bool HeadCollector::is_complete() const noexcept {
  if (raw.method_text.empty()) return false;
  if (raw.method_text == "CONNECT" && raw.protocol.empty())
    return scheme_.empty() && raw.target.empty();
  if (!raw.protocol.empty() && raw.authority.empty()) return false;
  return is_scheme(scheme_) && !raw.target.empty();
}

Result<void> HeadCollector::finish(http::Fields& fields) {
  if (fault_ != Errc::kCount_) return fail(fault_);
  if (!is_complete()) return fail(Errc::kBadField);
  if (cookies_ > 1 && !join_cookies(fields)) return fail(Errc::kBadField);
  return {};
}

}  // namespace millrace::h2
