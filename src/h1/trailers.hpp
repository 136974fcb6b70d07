// The trailer section of a chunked body (RFC 9112 section 7.1.2).
//
// Thread rule: pure functions.
#pragma once

#include "http/fields.hpp"

#include <string_view>

namespace millrace::h1 {

/// Appends copies of the fields in `section` (BodyDecoder::trailer_section: valid lines) that may
/// come this late; the others are dropped (http::is_allowed_trailer).
void parse_trailers(std::string_view section, http::Fields& to);

}  // namespace millrace::h1
