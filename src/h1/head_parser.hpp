// HTTP/1 heads into fields, by Beast's parser. Views point into the given bytes.
//
// Input: exactly one head, as HeadScanner measured it. The scanner ran before, the gate runs after: this
// step only splits. Thread rule: pure functions.
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "http/gate.hpp"
#include "http/head.hpp"

namespace millrace::h1 {

/// Fills raw.{method_text,target,version} and `fields` (appended). Errors: kBadRequestLine, kBadMethod,
/// kBadTarget, kBadVersion, kBadField.
[[nodiscard]] Result<void> parse_request(std::string_view head, http::RawRequest& raw,
                                         http::Fields& fields);

struct RawResponse {
  int status = 0;
  http::Version version = http::Version::kHttp11;
};

/// Error: kUpstreamBadMessage.
[[nodiscard]] Result<void> parse_response(std::string_view head, RawResponse& raw,
                                          http::Fields& fields);

}  // namespace millrace::h1
