#include "h1/head_parser.hpp"

#include "http/ascii.hpp"

namespace millrace::h1 {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

/// Takes the next line off `text`, without its end.
std::string_view take_line(std::string_view& text) noexcept {
  const std::size_t end = text.find('\r');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), line.size() + kLineEnd.size()));
  return line;
}

// "HTTP/" DIGIT "." DIGIT (RFC 9112 section 2.3), as 11 for "HTTP/1.1"; -1: no such thing.
int version_number(std::string_view text) noexcept {
  if (text == "HTTP/1.1") return 11;
  const bool fits = text.size() == 8 && text.starts_with("HTTP/") && text[6] == '.' &&
                    http::is(text[5], http::kDigit) && http::is(text[7], http::kDigit);
  return fits ? (text[5] - '0') * 10 + text[7] - '0' : -1;
}

// method SP request-target SP HTTP-version (RFC 9112 section 3), one space each.
Result<void> parse_request_line(std::string_view line, http::RawRequest& raw) noexcept {
  const std::size_t after_method = line.find(' ');
  raw.method_text = line.substr(0, after_method);
  if (after_method == std::string_view::npos || !http::is_token(raw.method_text))
    return fail(Errc::kBadMethod);
  line.remove_prefix(after_method + 1);
  const std::size_t after_target = line.find(' ');
  raw.target = line.substr(0, after_target);
  if (after_target == std::string_view::npos || raw.target.empty()) return fail(Errc::kBadTarget);
  const int number = version_number(line.substr(after_target + 1));
  if (number < 0) return fail(Errc::kBadRequestLine);
  const Result<http::Version> version = http::version_of(number);
  if (!version) return fail(version.error());
  raw.version = *version;
  return {};
}

// HTTP-version SP 3DIGIT SP reason-phrase (RFC 9112 section 4).
bool parse_status_line(std::string_view line, RawResponse& raw) noexcept {
  constexpr std::size_t kVersionBytes = 8;
  constexpr std::size_t kStatusEnd = kVersionBytes + 4;
  if (line.size() < kStatusEnd || line[kVersionBytes] != ' ') return false;
  if (line.size() > kStatusEnd && line[kStatusEnd] != ' ') return false;
  const auto version = http::version_of(version_number(line.substr(0, kVersionBytes)));
  if (!version) return false;
  raw.version = *version;
  raw.status = 0;
  for (const char digit : line.substr(kVersionBytes + 1, 3)) {
    if (!http::is(digit, http::kDigit)) return false;
    raw.status = raw.status * 10 + digit - '0';
  }
  // "020" would go on as an interim answer that nobody understands.
  return raw.status >= 100;
}

/// False: a line without a colon, which does not come from the scanner.
bool parse_fields(std::string_view lines, http::Fields& fields) {
  for (;;) {
    const std::string_view line = take_line(lines);
    if (line.empty()) return true;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    fields.add(line.substr(0, colon), http::trim_ows(line.substr(colon + 1)));
  }
}

}  // namespace

Result<void> parse_request(std::string_view head, http::RawRequest& raw, http::Fields& fields) {
  if (const auto line = parse_request_line(take_line(head), raw); !line) return line;
  if (!parse_fields(head, fields)) return fail(Errc::kBadField);
  return {};
}

Result<void> parse_response(std::string_view head, RawResponse& raw, http::Fields& fields) {
  if (!parse_status_line(take_line(head), raw) || !parse_fields(head, fields))
    return fail(Errc::kUpstreamBadMessage);
  return {};
}

}  // namespace millrace::h1
