#include "endpoints/fetch_fields.hpp"

#include "http/ascii.hpp"
#include "http/fields.hpp"

namespace millrace::endpoints {

using http::FieldId;

bool may_be_chosen(std::string_view name) noexcept {
  if (!http::is_token(name) || http::istarts_with(name, "x-forwarded-") ||
      http::istarts_with(name, "proxy"))
    return false;
  switch (http::field_id(name)) {
    case FieldId::kConnection:
    case FieldId::kContentLength:
    case FieldId::kExpect:
    case FieldId::kForwarded:
    case FieldId::kHost:
    case FieldId::kHttp2Settings:
    case FieldId::kKeepAlive:
    case FieldId::kTe:
    case FieldId::kTrailer:
    case FieldId::kTransferEncoding:
    case FieldId::kUpgrade:
    case FieldId::kVia:
      return false;
    default:
      return true;
  }
}

}  // namespace millrace::endpoints
