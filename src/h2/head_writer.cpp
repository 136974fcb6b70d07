#include "h2/head_writer.hpp"

#include "http/ascii.hpp"
#include "http/date.hpp"

#include <charconv>

namespace millrace::h2 {
namespace {

using http::FieldId;

constexpr std::uint8_t kLiteralName = NGHTTP2_NV_FLAG_NO_COPY_NAME;

bool is_of_connection(FieldId id) noexcept {
  switch (id) {
    case FieldId::kConnection:
    case FieldId::kContentLength:
    case FieldId::kKeepAlive:
    case FieldId::kProxyConnection:
    case FieldId::kTransferEncoding:
    case FieldId::kUpgrade:
      return true;
    default:
      return false;
  }
}

// Values that never come twice only push others out of the client's table.
bool is_unique(FieldId id) noexcept {
  return id == FieldId::kXRequestId || id == FieldId::kServerTiming;
}

bool is_secret(FieldId id) noexcept {
  return id == FieldId::kAuthorization || id == FieldId::kCookie ||
         id == FieldId::kProxyAuthorization;
}

bool expects_body(http::Method m) noexcept {
  return m == http::Method::kPost || m == http::Method::kPut || m == http::Method::kPatch;
}

std::uint8_t* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

}  // namespace

void HeadWriter::add(std::string_view name, std::string_view value, std::uint8_t flags) {
  list_.push_back({bytes_of(name), bytes_of(value), name.size(), value.size(), flags});
}

void HeadWriter::add(const http::Field& field) {
  if (is_of_connection(field.id)) return;
  // nghttp2 writes copied names in lower case.
  if (field.id == FieldId::kOther) return add(field.name, field.value, NGHTTP2_NV_FLAG_NONE);
  std::uint8_t flags = kLiteralName;
  if (is_unique(field.id) && !teach_names_) flags |= NGHTTP2_NV_FLAG_NO_INDEX;
  add(http::lower_field_name(field.id), field.value, flags);
}

void HeadWriter::add_status(int status) noexcept {
  std::to_chars(status_.data(), status_.data() + status_.size(), status);
  add(":status", {status_.data(), status_.size()}, kLiteralName);
}

void HeadWriter::interim(int status, const http::Fields& fields) {
  add_status(status);
  for (const http::Field& f : fields) add(f);
}

void HeadWriter::response(int status, const http::ResponseHead& head, bool with_length) {
  add_status(status);
  bool has_date = false;
  for (const http::Field& f : head.fields) {
    add(f);
    has_date = has_date || f.id == FieldId::kDate;
  }
  if (!has_date) add("date", http::date_now(), kLiteralName);
  if (with_length && http::says_length(head)) add_length(head.body.bytes);
}

void HeadWriter::add_length(std::uint64_t bytes) {
  char* const end = std::to_chars(length_.data(), length_.data() + length_.size(), bytes).ptr;
  add("content-length", {length_.data(), static_cast<std::size_t>(end - length_.data())},
      kLiteralName);
}

void HeadWriter::request(const OutgoingRequest& request, std::string_view scheme,
                         http::BodyLength length) {
  add(":method", request.method_text, kLiteralName);
  add(":scheme", scheme, kLiteralName);
  add(":authority", request.host, kLiteralName);
  add(":path", request.target, kLiteralName);
  for (const http::Field& f : request.fields) {
    if (is_secret(f.id))
      add(http::lower_field_name(f.id), f.value, kLiteralName | NGHTTP2_NV_FLAG_NO_INDEX);
    else
      add(f);
  }
  if (length.is_known() && (length.bytes != 0 || expects_body(request.method)))
    add_length(length.bytes);
}

void HeadWriter::tunnel(const http::ResponseHead& head) {
  add_status(200);
  for (const http::Field& f : head.fields)
    if (!http::iequals(f.name, "sec-websocket-accept")) add(f);
}

void HeadWriter::trailers(const http::Fields& fields) {
  for (const http::Field& f : fields) add(f);
}

}  // namespace millrace::h2
