// What a client gets for a failure: RFC 9457 problem details as JSON, or the same as a small HTML
// page.
//
// Thread rule: pure functions.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>

namespace millrace::http {

inline constexpr std::string_view kProblemJson = "application/problem+json";
inline constexpr std::string_view kProblemHtml = "text/html; charset=utf-8";

/// One occurrence of a failure. The views may hold any bytes, also the client's own: they are
/// escaped.
struct Problem {
  Errc errc = Errc::kInternal;
  std::string_view detail = {};  ///< empty: the sentence of the Errc's row
  std::string_view instance =
      {};  ///< a URI reference of the occurrence, the request's path; may be empty
  std::string_view request_id = {};  ///< left out where empty
};

/// {"type":"about:blank","title":...,"status":...,"detail":...,"instance":...,"code":...}. The
/// title is the reason phrase, as RFC 9457 section 4.2.1 wants it for "about:blank"; `code` is the
/// stable name that programs look at.
[[nodiscard]] std::string problem_json(const Problem& problem);

/// A whole page, without scripts, styles from elsewhere or images.
[[nodiscard]] std::string problem_html(const Problem& problem);

/// Does the client want the page? Only where its Accept ranks HTML over JSON: a browser's does,
/// that of curl and an absent one do not.
[[nodiscard]] bool prefers_html(std::string_view accept) noexcept;

/// `text` as a JSON string with its quotes, appended. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace millrace::http
