#include "h2/response_collector.hpp"

#include "h2/head_collector.hpp"
#include "h2/limits.hpp"
#include "http/ascii.hpp"

#include <algorithm>

namespace millrace::h2 {
namespace {

constexpr std::size_t kPseudoFieldsMax = 1;

bool is_status(std::string_view text) noexcept {
  return text.size() == 3 && text.front() != '0' &&
         std::ranges::all_of(text, [](char c) { return http::is(c, http::kDigit); });
}

}  // namespace

void ResponseCollector::add_pseudo(std::string_view name, std::string_view value) noexcept {
  if (name != ":status" || status_ != 0 || has_fields_ || !is_status(value)) {
    fault_ = Errc::kUpstreamBadMessage;
    return;
  }
  for (const char c : value) status_ = status_ * 10 + (c - '0');
}

bool ResponseCollector::add(nghttp2_rcbuf* name_text, nghttp2_rcbuf* value_text,
                            http::Fields& fields) {
  const std::string_view name = view(name_text);
  const std::string_view value = view(value_text);
  ++count_;
  bytes_ += http2_size({.name = name, .value = value});
  if (fault_ == Errc::kCount_ &&
      (bytes_ > limits_.head_bytes_max || count_ > limits_.fields_max + kPseudoFieldsMax))
    fault_ = Errc::kUpstreamHeadTooLarge;
  if (fault_ != Errc::kCount_) return count_ <= limits_.fields_max + kIgnoredFieldsMax;
  if (name.starts_with(':')) {
    add_pseudo(name, value);
    return true;
  }
  has_fields_ = true;
  const http::Field field{.name = name, .value = value, .id = http::field_id(name)};
  if (!http::is_allowed_in_http2(field)) {
    fault_ = Errc::kUpstreamBadMessage;
    return true;
  }
  held_.emplace_back(name_text);
  held_.emplace_back(value_text);
  fields.add(field);
  return true;
}

Result<int> ResponseCollector::finish() const {
  if (fault_ != Errc::kCount_) return fail(fault_);
  if (status_ == 0) return fail(Errc::kUpstreamBadMessage);
  return status_;
}

void ResponseCollector::clear() noexcept {
  held_.clear();
  bytes_ = count_ = 0;
  status_ = 0;
  fault_ = Errc::kCount_;
  has_fields_ = false;
}

}  // namespace millrace::h2
