// An HTTP/1 head into start line and fields, all views into the given bytes.
//
// Input: exactly one head, as HeadScanner measured it: lines end in CRLF, each field line has a
// name and a colon, there are no controls but tabs. This step only splits: what the parts mean is
// the gate's business (http/gate.hpp). Boost.Beast's parser checks all of that a second time, and
// took a sixth of the instructions of a proxied request; the tests hold this one against it.
//
// Thread rule: pure functions.
#pragma once

#include "base/error.hpp"
#include "http/gate.hpp"
#include "http/head.hpp"

#include <string_view>

namespace millrace::h1 {

/// Fills raw.{method_text,target,version} and `fields` (appended). Errors: kBadRequestLine (also
/// for a version that is none; kBadVersion is for those that we do not speak), kBadMethod,
/// kBadTarget, kBadVersion.
[[nodiscard]] Result<void> parse_request(std::string_view head, http::RawRequest& raw,
                                         http::Fields& fields);

struct RawResponse {
  int status = 0;
  http::Version version = http::Version::kHttp11;
};

/// Fills `raw` and `fields` (appended). The space behind the status may be missing where there is
/// no reason phrase, as it is in some services' answers (RFC 9112 section 4 asks for it). Error:
/// kUpstreamBadMessage.
[[nodiscard]] Result<void> parse_response(std::string_view head, RawResponse& raw,
                                          http::Fields& fields);

}  // namespace millrace::h1
