// An HTTP/1 request head into start line and fields, all views into the given bytes.
//
// Input: exactly one head, as HeadScanner measured it: lines end in CRLF, each field line has a
// name and a colon, there are no controls but tabs. What the parts mean is the gate's business.
// Beast's parser, which splits responses, checks all of that a second time; of a browser's request
// that was a tenth of what the whole server took.
//
// Thread rule: pure function.
#pragma once

#include "base/error.hpp"
#include "http/gate.hpp"

#include <string_view>

namespace millrace::h1 {

/// Fills raw.{method_text,target,version} and `fields` (appended). Errors: kBadRequestLine (also
/// for a version that is none; kBadVersion is for those that we do not speak), kBadMethod,
/// kBadTarget, kBadVersion.
[[nodiscard]] Result<void> parse_request(std::string_view head, http::RawRequest& raw,
                                         http::Fields& fields);

}  // namespace millrace::h1
