// Targets, authorities, paths, queries and URLs: what passes has one meaning, and saying it again
// gives the same.
#include "fuzz/check.hpp"
#include "fuzz/pieces.hpp"
#include "http/ascii.hpp"
#include "http/query.hpp"
#include "http/target.hpp"
#include "http/url.hpp"

#include <string>

namespace {

using namespace millrace;
using namespace millrace::http;
using fuzz::check;

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment == "." || segment == "..") return true;
    path.remove_prefix(segment.size());
  }
  return false;
}

/// Every escape has two upper-case digits and none of it was needless.
bool has_clean_escapes(std::string_view path) {
  for (std::size_t i = 0; (i = path.find('%', i)) != std::string_view::npos; i += 3) {
    if (path.size() - i < 3) return false;
    const int high = hex_digit(path[i + 1]), low = hex_digit(path[i + 2]);
    if (high < 0 || low < 0) return false;
    if (path[i + 1] >= 'a' || path[i + 2] >= 'a') return false;
    const char decoded = static_cast<char>(high * 16 + low);
    if (decoded == '\0' || is(decoded, kUnreserved)) return false;
  }
  return true;
}

void check_path(std::string_view path) {
  TextArena arena;
  const auto once = normalise_path(path, arena);
  if (!once) return;
  if (path.empty() || path == "*") return check(*once == path, "changed what is no path");
  check(once->starts_with('/') && once->size() <= path.size(), "no path any more");
  check(!has_dot_segment(*once), "a dot segment is left");
  check(has_clean_escapes(*once), "an escape has two spellings");
  TextArena other;
  const fuzz::Exact copy(*once);
  const auto twice = normalise_path(copy.view(), other);
  check(twice && *twice == *once, "not idempotent");
}

void check_authority(std::string_view text) {
  const auto parsed = parse_authority(text);
  check(parsed.has_value() == is_authority(text), "two opinions of an authority");
  if (!parsed) return;
  check(!parsed->host.empty() && lies_in(parsed->host, text), "a host from elsewhere");
  std::string again(parsed->host);
  if (parsed->kind == HostKind::kIpv6) again = "[" + again + "]";
  if (parsed->port) again += ":" + std::to_string(*parsed->port);
  const auto twice = parse_authority(again);
  check(twice && *twice == *parsed, "an authority cannot be said again");
}

void check_target(Method method, std::string_view text) {
  const auto target = parse_target(method, text);
  if (!target) return;
  check(all_are(text, kTargetByte), "a byte that no target may hold");
  check(lies_in(target->authority, text) && lies_in(target->query, text), "views from elsewhere");
  check((target->form == TargetForm::kAuthority) == (method == Method::kConnect), "CONNECT");
  check(target->has_query || target->query.empty(), "a query without a question mark");
  if (!target->authority.empty()) check(is_authority(target->authority), "a bad authority");
  switch (target->form) {
    case TargetForm::kOrigin:
      check(target->path.starts_with('/') && lies_in(target->path, text), "origin-form");
      break;
    case TargetForm::kAbsolute:
      check(iequals(target->scheme, "http") || iequals(target->scheme, "https"), "scheme");
      check(!target->authority.empty(), "absolute-form without a host");
      break;
    case TargetForm::kAuthority:
      check(target->path.empty() && target->authority == text, "authority-form");
      break;
    case TargetForm::kAsterisk:
      check(text == "*" && method == Method::kOptions, "asterisk-form");
      break;
  }
  check_path(target->path);
}

void check_same_url(const Url& url) {
  const std::string text = url.text();
  if (text.size() > kUrlBytesMax) return;  // escaping made it longer than one may be
  const auto again = parse_url(text);
  check(again && *again == url, "a URL cannot be said again");
  check(same_origin(*again, url), "another origin than itself");
}

void check_url(std::string_view text) {
  static const Url base = parse_url("https://user.example:8443/a/b/c?d=e").value();
  if (const auto url = parse_url(text)) {
    check(url->port != 0 && !url->host.empty() && url->target.starts_with('/'), "half a URL");
    check(all_are(url->target, kTargetByte), "a byte that no request line may hold");
    check(parse_target(Method::kGet, url->target).has_value(), "a target that we refuse");
    check(is_authority(url->authority()), "an authority that we refuse");
    check_same_url(*url);
  }
  if (const auto url = resolve_url(base, text)) check_same_url(*url);
}

void check_query(std::string_view text) {
  const auto query = Query::parse(text);
  if (!query) return;
  check(query->size() <= kParametersMax, "too many parameters");
  for (const auto& [name, value] : *query) {
    check(name.size() + value.size() <= text.size(), "decoding grew");
    check(query->has(name), "a parameter that is not there");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Exact input({reinterpret_cast<const char*>(data), size});
  const std::string_view text = input.view();
  for (const Method method : {Method::kGet, Method::kOptions, Method::kConnect})
    check_target(method, text);
  check_authority(text);
  check_path(text);
  check_url(text);
  check_query(text);
  return 0;
}
