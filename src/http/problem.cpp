#include "http/problem.hpp"

#include "http/ascii.hpp"
#include "http/head.hpp"
#include "http/negotiate.hpp"

#include <algorithm>

namespace millrace::http {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

std::string_view title_of(const ErrcInfo& row) noexcept {
  const std::string_view phrase = reason_phrase(row.status);
  return phrase.empty() ? row.code : phrase;
}

std::string_view detail_of(const Problem& problem, const ErrcInfo& row) noexcept {
  return problem.detail.empty() ? row.text : problem.detail;
}

bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// The length of the UTF-8 sequence that `text` begins with; 0 where it is none (Unicode, table
// 3-7).
std::size_t utf8_length(std::string_view text) noexcept {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (text.size() < length || !std::ranges::all_of(text.substr(1, length - 1), is_continuation))
    return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool surrogate = first == 0xed && second > 0x9f;
  const bool too_high = first == 0xf4 && second > 0x8f;
  return overlong || surrogate || too_high ? 0 : length;
}

void append_json_control(std::string& out, char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  switch (c) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
  }
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

void append_html(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += is(c, kValueByte) || c == '\n' ? c : ' ';
    }
  }
}

void append_row(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out.append("<dt>").append(name).append("</dt><dd><code>");
  append_html(out, value);
  out += "</code></dd>\n";
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = utf8_length(text);
    if (length == 0)
      out += kReplacement;
    else if (c == '"' || c == '\\')
      out.append(1, '\\').append(1, c);
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      append_json_control(out, c);
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out += '"';
}

std::string problem_json(const Problem& problem) {
  const ErrcInfo& row = info(problem.errc);
  std::string out = "{";
  append_member(out, "type", "about:blank");
  append_member(out, "title", title_of(row));
  out.append(",\"status\":").append(std::to_string(row.status));
  append_member(out, "detail", detail_of(problem, row));
  if (!problem.instance.empty()) append_member(out, "instance", problem.instance);
  append_member(out, "code", row.code);
  if (!problem.request_id.empty()) append_member(out, "request_id", problem.request_id);
  out += "}\n";
  return out;
}

std::string problem_html(const Problem& problem) {
  const ErrcInfo& row = info(problem.errc);
  const std::string status = std::to_string(row.status);
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>";
  out.append(status).append(" ").append(title_of(row)).append("</title></head>\n<body>\n<h1>");
  out.append(status).append(" ").append(title_of(row)).append("</h1>\n<p>");
  append_html(out, detail_of(problem, row));
  out += "</p>\n<dl>\n";
  append_row(out, "code", row.code);
  append_row(out, "instance", problem.instance);
  append_row(out, "request id", problem.request_id);
  out += "</dl>\n</body></html>\n";
  return out;
}

bool prefers_html(std::string_view accept) noexcept {
  if (accept.empty()) return false;
  const int json =
      std::max(media_weight(accept, kProblemJson), media_weight(accept, "application/json"));
  return media_weight(accept, "text/html") > json;
}

}  // namespace millrace::http
