#include "client/resume_point.hpp"

#include "http/ascii.hpp"
#include "http/content_range.hpp"
#include "http/date.hpp"

#include <string_view>

namespace millrace::client {
namespace {

using http::FieldId;

/// RFC 9110 section 8.8.3: DQUOTE *etagc DQUOTE, no W/ in front.
bool is_strong_etag(std::string_view text) noexcept {
  return text.size() >= 2 && text.front() == '"' && text.back() == '"' &&
         text.substr(1, text.size() - 2).find_first_of("\" \t") == std::string_view::npos;
}

bool is_old_enough(const http::Fields& fields, std::chrono::sys_seconds now) noexcept {
  const auto modified = http::parse_date(fields.value_or(FieldId::kLastModified, {}), now);
  const auto made = http::parse_date(fields.value_or(FieldId::kDate, {}), now);
  return modified && made && *made - *modified >= ResumePoint::kLastModifiedAge;
}

/// The one that If-Range may say; empty: none.
std::string_view validator_of(const http::Fields& fields, std::chrono::sys_seconds now) noexcept {
  if (fields.has(FieldId::kETag)) {
    const std::string_view etag = fields.find(FieldId::kETag)->value;
    return fields.count(FieldId::kETag) == 1 && is_strong_etag(etag) ? etag : std::string_view();
  }
  if (fields.count(FieldId::kLastModified) != 1 || !is_old_enough(fields, now)) return {};
  return fields.find(FieldId::kLastModified)->value;
}

bool refuses_ranges(const http::Fields& fields) noexcept {
  const http::Field* field = fields.find("accept-ranges");
  return field != nullptr && http::list_has_token(field->value, "none");
}

/// The only Content-Range.
std::optional<http::ContentRange> range_of(const http::Fields& fields) noexcept {
  std::optional<http::ContentRange> range;
  for (const http::Field& field : fields) {
    if (!http::iequals(field.name, "content-range")) continue;
    if (range) return std::nullopt;
    range = http::parse_content_range(field.value);
    if (!range) return std::nullopt;
  }
  return range;
}

/// Everything from `first` on, in as many bytes as it says.
bool is_whole_rest(const http::ContentRange& range, const http::BodyLength& length) noexcept {
  if (!range.total || range.last + 1 != *range.total) return false;
  return !length.is_known() || length.bytes == range.last - range.first + 1;
}

}  // namespace

std::optional<ResumePoint> ResumePoint::of(http::Method method, const AnswerHead& answer,
                                           std::chrono::sys_seconds now) {
  if (method != http::Method::kGet || refuses_ranges(answer.fields)) return std::nullopt;
  ResumePoint point;
  point.validator_ = validator_of(answer.fields, now);
  if (point.validator_.empty()) return std::nullopt;
  point.is_etag_ = answer.fields.has(FieldId::kETag);
  point.coding_ = answer.fields.value_or(FieldId::kContentEncoding, {});
  if (answer.status == 200) {
    if (answer.length.is_known()) point.total_ = answer.length.bytes;
    return point;
  }
  const auto range = range_of(answer.fields);
  if (answer.status != 206 || !range || !is_whole_rest(*range, answer.length)) return std::nullopt;
  point.first_ = range->first;
  point.total_ = range->total;
  return point;
}

std::string ResumePoint::range_from(std::uint64_t received) const {
  return "bytes=" + std::to_string(first_ + received) + "-";
}

bool ResumePoint::is_continued_by(const AnswerHead& answer, std::uint64_t received) {
  const auto range = range_of(answer.fields);
  if (answer.status != 206 || !range || !is_whole_rest(*range, answer.length)) return false;
  if (range->first != first_ + received) return false;
  if (total_ && range->total != total_) return false;
  if (answer.fields.value_or(FieldId::kContentEncoding, {}) != coding_) return false;
  if (is_etag_ && answer.fields.value_or(FieldId::kETag, validator_) != validator_) return false;
  if (!is_etag_ && answer.fields.value_or(FieldId::kLastModified, validator_) != validator_)
    return false;
  total_ = range->total;
  return true;
}

std::optional<std::uint64_t> ResumePoint::body_bytes() const noexcept {
  if (!total_) return std::nullopt;
  return *total_ - first_;
}

}  // namespace millrace::client
