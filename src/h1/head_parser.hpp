// An HTTP/1 response head into fields, by Beast's parser. Views point into the given bytes.
//
// Input: exactly one head, as HeadScanner measured it. The scanner ran before, the gate runs after:
// this step only splits. Thread rule: pure functions.
#pragma once

#include "base/error.hpp"
#include "http/head.hpp"

#include <string_view>

namespace millrace::h1 {

struct RawResponse {
  int status = 0;
  http::Version version = http::Version::kHttp11;
};

/// Error: kUpstreamBadMessage.
[[nodiscard]] Result<void> parse_response(std::string_view head, RawResponse& raw,
                                          http::Fields& fields);

}  // namespace millrace::h1
