#include "dialogue.hpp"

#include "wire_pipeline.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace millrace::test {
namespace {

[[noreturn]] void reject(std::string_view what, std::string_view text) {
  throw std::runtime_error(std::string(what) + ": " + std::string(text));
}

std::string unescape(std::string_view text);

std::string numbered(std::string_view text, std::size_t n) {
  const std::string digits = std::to_string(n);
  std::string out(text);
  for (std::size_t at = 0; (at = out.find("\\#", at)) != std::string::npos;)
    out.replace(at, 2, std::string(4 - std::min<std::size_t>(4, digits.size()), '0') + digits);
  return out;
}

/// "(N:TEXT)" at the front of `text`, which is moved behind it.
std::string repeated(std::string_view& text) {
  const std::size_t colon = text.find(':');
  const std::size_t end = text.find(')');
  if (colon == std::string_view::npos || end == std::string_view::npos)
    reject("bad repetition", text);
  const std::size_t count = std::stoul(std::string(text.substr(1, colon - 1)));
  const std::string_view inner = text.substr(colon + 1, end - colon - 1);
  text.remove_prefix(end + 1);
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += unescape(numbered(inner, i));
  return out;
}

std::string unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '\\') {
      out += c;
      continue;
    }
    if (text.empty()) reject("lonely backslash", out);
    if (text.front() == '(') {
      out += repeated(text);
      continue;
    }
    const char kind = text.front();
    text.remove_prefix(1);
    switch (kind) {
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case '0':
        out += '\0';
        break;
      case '\\':
        out += '\\';
        break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(0, 2)), nullptr, 16));
        text.remove_prefix(2);
        break;
      default:
        reject("unknown escape", {&kind, 1});
    }
  }
  return out;
}

std::string substituted(std::string_view line, std::string_view variant) {
  std::string out(line);
  for (std::size_t at = 0; (at = out.find("{}", at)) != std::string::npos; at += variant.size())
    out.replace(at, 2, variant);
  return out;
}

Errc errc_of(std::string_view code) {
  for (const ErrcInfo& row : all_errc_info())
    if (row.code == code) return row.errc;
  reject("unknown error code", code);
}

/// The text behind a marker such as `> `, with what the marker adds.
std::string bytes_of(std::string_view line) {
  const char form = line.size() > 1 ? line[1] : ' ';
  const std::string text =
      unescape(line.substr(std::min<std::size_t>(line.size(), form == ' ' ? 2 : 3)));
  if (form == '|') return text;
  if (form == '+') return answer(text);
  if (form == '!') return refusal(errc_of(text));
  return text + "\r\n";
}

void add_bytes(Dialogue& d, Dialogue::Kind kind, std::string bytes) {
  if (d.steps.empty() || d.steps.back().kind != kind) d.steps.push_back({kind, {}});
  d.steps.back().bytes += bytes;
}

void set_limit(Dialogue& d, std::string_view text) {
  const std::size_t space = text.find(' ');
  const std::string_view name = text.substr(0, space);
  const std::size_t value = std::stoul(std::string(text.substr(space + 1)));
  if (name == "head")
    d.limits.head.head_bytes_max = value;
  else if (name == "fields")
    d.limits.head.fields_max = value;
  else if (name == "target")
    d.limits.head.target_bytes_max = value;
  else if (name == "body")
    d.limits.body_bytes_max = value;
  else
    reject("unknown limit", name);
}

Ending ending_of(std::string_view text) {
  if (text == "open") return Ending::kOpen;
  if (text == "closed") return Ending::kClosed;
  if (text == "reset") return Ending::kReset;
  reject("unknown ending", text);
}

void add_line(Dialogue& d, std::string_view line) {
  if (line == "<*") return d.steps.push_back({Dialogue::Kind::kIgnore, {}});
  if (line.starts_with('>')) return add_bytes(d, Dialogue::Kind::kSend, bytes_of(line));
  if (line.starts_with('<')) return add_bytes(d, Dialogue::Kind::kExpect, bytes_of(line));
  if (line == "eof") return d.steps.push_back({Dialogue::Kind::kEndOfSending, {}});
  if (line == "whole")
    d.whole_only = true;
  else if (line.starts_with("limit "))
    set_limit(d, line.substr(6));
  else if (line.starts_with("outcome "))
    d.outcome = line.substr(8);
  else if (line.starts_with("= "))
    d.ending = ending_of(line.substr(2));
  else
    reject("unknown line", line);
}

}  // namespace

std::vector<Dialogue> read_dialogues(const std::filesystem::path& path) {
  std::vector<std::string> lines, variants;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("each "))
      variants.push_back(line.substr(5));
    else if (!line.empty() && !line.starts_with('#'))
      lines.push_back(line);
  }
  if (variants.empty()) variants.emplace_back();
  std::vector<Dialogue> out;
  for (const std::string& variant : variants) {
    Dialogue& d = out.emplace_back();
    d.variant = variant;
    for (const std::string& line : lines) add_line(d, substituted(line, variant));
  }
  return out;
}

}  // namespace millrace::test
