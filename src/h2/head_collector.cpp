#include "h2/head_collector.hpp"

#include "h2/limits.hpp"

#include <cstring>

namespace millrace::h2 {
namespace {

// RFC 9113 section 6.5.2: what a field counts for beside its text.
constexpr std::size_t kFieldOverheadBytes = 32;

void join_cookies(http::Fields& fields) {
  std::size_t size = 0;
  for (const http::Field& f : fields)
    if (f.id == http::FieldId::kCookie) size += f.value.size() + 2;
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
}

}  // namespace

void HeadCollector::add_pseudo(std::string_view name, std::string_view value) noexcept {
  // nghttp2 lets none but the five pass, and each once.
  switch (name.size()) {
    case 5:
      raw.target = value;  // :path
      break;
    case 7:
      if (name == ":method") raw.method_text = value;  // and not :scheme
      break;
    case 9:
      raw.protocol = value;
      break;
    case 10:
      raw.authority = value;
      break;
    default:
      break;
  }
}

bool HeadCollector::add(nghttp2_rcbuf* name_text, nghttp2_rcbuf* value_text,
                        const http::HeadLimits& limits, http::Fields& fields) {
  const std::string_view name = view(name_text);
  const std::string_view value = view(value_text);
  ++count_;
  bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (bytes_ > limits.head_bytes_max && fault_ == Errc::kCount_) fault_ = Errc::kHeadTooLarge;
  if (count_ > limits.fields_max + 5 && fault_ == Errc::kCount_) fault_ = Errc::kTooManyFields;
  if (fault_ != Errc::kCount_) return count_ <= limits.fields_max + kIgnoredFieldsMax;
  held_.emplace_back(value_text);
  if (name.starts_with(':')) {
    add_pseudo(name, value);
    return true;
  }
  held_.emplace_back(name_text);
  fields.add(name, value);
  if ((fields.end() - 1)->id == http::FieldId::kCookie) ++cookies_;
  return true;
}

bool HeadCollector::add_invalid(const http::HeadLimits& limits) noexcept {
  fault_ = Errc::kBadField;
  return ++count_ <= limits.fields_max + kIgnoredFieldsMax;
}

Result<void> HeadCollector::finish(http::Fields& fields) {
  if (fault_ != Errc::kCount_) return fail(fault_);
  if (cookies_ > 1) join_cookies(fields);
  return {};
}

}  // namespace millrace::h2
