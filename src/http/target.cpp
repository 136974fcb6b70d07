#include "http/target.hpp"

#include "http/ascii.hpp"
#include "http/ip_literal.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace millrace::http {
namespace {

constexpr std::size_t kHostBytesMax = 255;

bool is_name(std::string_view host) noexcept {
  if (host.empty() || host.size() > kHostBytesMax) return false;
  char previous = '.';  // an empty first label is as bad as one in the middle
  for (const char c : host) {
    if (!is(c, kUnreserved) || (c == '.' && previous == '.')) return false;
    previous = c;
  }
  return true;
}

// parse_authority, except that an IPv4 address is taken for a name.
Result<Authority> split_authority(std::string_view text) noexcept {
  Authority authority;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return fail(Errc::kBadHost);
    authority.host = text.substr(1, bracket - 1);
    authority.kind = HostKind::kIpv6;
    port = text.substr(bracket + 1);
    if (!parse_ipv6(authority.host)) return fail(Errc::kBadHost);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    authority.host = text.substr(0, colon);
    port = text.substr(colon);
    if (!is_name(authority.host)) return fail(Errc::kBadHost);
  }
  if (port.empty()) return authority;
  if (port.front() != ':') return fail(Errc::kBadHost);
  port.remove_prefix(1);
  if (port.empty()) return authority;
  const std::optional<std::uint64_t> number = parse_decimal(port);
  if (port.size() > 5 || !number || *number > 65535) return fail(Errc::kBadHost);
  authority.port = static_cast<std::uint16_t>(*number);
  return authority;
}

struct PathAndQuery {
  std::string_view path;
  std::string_view query;
  bool has_query;
};

PathAndQuery split_query(std::string_view text) noexcept {
  const std::size_t mark = text.find('?');
  if (mark == std::string_view::npos) return {text, {}, false};
  return {text.substr(0, mark), text.substr(mark + 1), true};
}

Result<Target> parse_absolute(Method method, std::string_view text) noexcept {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return fail(Errc::kBadTarget);
  Target target{.form = TargetForm::kAbsolute, .scheme = text.substr(0, colon)};
  if (!iequals(target.scheme, "http") && !iequals(target.scheme, "https"))
    return fail(Errc::kBadTarget);
  text.remove_prefix(colon + 3);
  const std::size_t slash = std::min(text.find_first_of("/?"), text.size());
  target.authority = text.substr(0, slash);
  if (!is_authority(target.authority)) return fail(Errc::kBadHost);
  const PathAndQuery rest = split_query(text.substr(slash));
  target.path = rest.path;
  target.query = rest.query;
  target.has_query = rest.has_query;
  if (target.path.empty())
    target.path = method == Method::kOptions && !target.has_query ? "*" : "/";
  return target;
}

Result<Target> parse_connect(std::string_view text) noexcept {
  const Result<Authority> authority = parse_authority(text);
  if (!authority) return fail(authority.error());
  if (!authority->port || *authority->port == 0) return fail(Errc::kBadTarget);
  return Target{.form = TargetForm::kAuthority, .authority = text};
}

// Is there nothing for normalise_path to look at? One pass, no writes. `path` begins with '/'.
bool is_normal(std::string_view path) noexcept {
  for (std::size_t i = 1; i < path.size(); ++i) {
    const char c = path[i];
    if (c != '%' && c != '.') continue;
    if (c == '%') return false;
    if (path[i - 1] != '/') continue;
    const std::string_view rest = path.substr(i + 1);
    if (rest.empty() || rest.front() == '/') return false;
    if (rest == "." || rest.starts_with("./")) return false;
  }
  return true;
}

// Decodes what needs no escape and upper-cases the digits of the rest. Returns the new length; npos
// for a broken escape or an encoded NUL.
std::size_t normalise_escapes(std::string_view path, char* out) noexcept {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  char* to = out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      *to++ = path[i];
      continue;
    }
    if (path.size() - i < 3) return std::string_view::npos;
    const int high = hex_digit(path[i + 1]);
    const int low = hex_digit(path[i + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::string_view::npos;
    i += 2;
    const char decoded = static_cast<char>(high << 4 | low);
    if (is(decoded, kUnreserved)) {
      *to++ = decoded;
      continue;
    }
    *to++ = '%';
    *to++ = kDigits[static_cast<std::size_t>(high)];
    *to++ = kDigits[static_cast<std::size_t>(low)];
  }
  return static_cast<std::size_t>(to - out);
}

}  // namespace

Result<Authority> parse_authority(std::string_view text) noexcept {
  Result<Authority> authority = split_authority(text);
  if (authority && authority->kind == HostKind::kName && parse_ipv4(authority->host))
    authority->kind = HostKind::kIpv4;
  return authority;
}

// A thread is asked about the same few authorities all the time: what was found good is remembered,
// one text per slot.
bool is_authority(std::string_view text) noexcept {
  struct Slot {
    std::uint8_t size;
    std::array<char, 63> text;
  };
  static thread_local constinit std::array<Slot, 8> known{};
  Slot& slot = known[text.size() % known.size()];
  if (text.size() == slot.size && std::memcmp(text.data(), slot.text.data(), slot.size) == 0)
    return !text.empty();
  if (!split_authority(text)) return false;
  if (text.size() > slot.text.size()) return true;
  std::memcpy(slot.text.data(), text.data(), text.size());
  slot.size = static_cast<std::uint8_t>(text.size());
  return true;
}

Result<Target> parse_target(Method method, std::string_view text) noexcept {
  if (text.empty() || !all_are(text, kTargetByte)) return fail(Errc::kBadTarget);
  if (method == Method::kConnect) return parse_connect(text);
  if (text == "*") {
    if (method != Method::kOptions) return fail(Errc::kBadTarget);
    return Target{.form = TargetForm::kAsterisk, .path = text};
  }
  if (text.front() != '/') return parse_absolute(method, text);
  const PathAndQuery parts = split_query(text);
  return Target{.path = parts.path, .query = parts.query, .has_query = parts.has_query};
}

std::size_t remove_dot_segments(char* path, std::size_t size) noexcept {
  const std::string_view in(path, size);
  std::size_t from = 0;  // of the '/' in front of the segment at hand
  std::size_t to = 0;
  while (from < size) {
    const std::size_t next = std::min(in.find('/', from + 1), size);
    const std::string_view segment = in.substr(from + 1, next - from - 1);
    const bool last = next == size;
    if (segment == "." || segment == "..") {
      if (segment.size() == 2)
        while (to > 0 && path[--to] != '/') {
        }
      if (last) path[to++] = '/';
    } else {
      std::memmove(path + to, path + from, next - from);
      to += next - from;
    }
    from = next;
  }
  return to;
}

Result<std::string_view> normalise_path(std::string_view path, TextArena& arena) {
  if (path.empty() || path == "*") return path;
  if (path.front() != '/') return fail(Errc::kBadTarget);
  if (is_normal(path)) return path;
  char* const out = arena.reserve(path.size());
  const std::size_t size = normalise_escapes(path, out);
  if (size == std::string_view::npos) return fail(Errc::kBadTarget);
  return std::string_view(out, remove_dot_segments(out, size));
}

}  // namespace millrace::http
