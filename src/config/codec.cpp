#include "config/codec.hpp"

#include "http/ascii.hpp"

#include <charconv>
#include <limits>

namespace millrace::config {
namespace {

std::string number(std::int64_t value) {
  return std::to_string(value);
}

/// `from 1 to 10`, written in the key's own unit.
template <class Format>
std::string range(const Rule& rule, Format format) {
  if (rule.max == std::numeric_limits<std::int64_t>::max())
    return "of at least " + format(rule.min);
  return "from " + format(rule.min) + " to " + format(rule.max);
}

std::string size_text(std::int64_t bytes) {
  return format_size(static_cast<std::uint64_t>(bytes));
}
std::string duration_text(std::int64_t ms) {
  return format_duration(milliseconds(ms));
}

bool in_range(const Rule& rule, std::int64_t value) {
  return value >= rule.min && value <= rule.max;
}

/// A whole number: TOML's, or the digits that an environment variable held.
std::optional<std::int64_t> whole_number(const Value& value) {
  if (value.kind == Value::Kind::kInteger) return value.integer;
  if (value.kind != Value::Kind::kString || !value.from_environment) return std::nullopt;
  std::int64_t out = 0;
  const char* const end = value.text.data() + value.text.size();
  const auto [stop, error] = std::from_chars(value.text.data(), end, out);
  if (error != std::errc() || stop != end) return std::nullopt;
  return out;
}

/// For types that are a string with a parser: what every such Codec::read does.
template <class T, class Parse>
bool read_parsed(Reader& reader, const Value& value, std::string_view what, Parse parse, T& out) {
  if (value.kind != Value::Kind::kString) {
    reader.expected(what, value);
    return false;
  }
  auto parsed = parse(value.text);
  if (!parsed) {
    reader.error(value.at, parsed.error());
    return false;
  }
  out = std::move(*parsed);
  return true;
}

/// Makes the path of a socket absolute and judges its length.
void finish_unix_path(Reader& reader, const Value& value, std::string& path) {
  path = reader.resolve(value.at, path).string();
  if (path.size() <= kUnixPathMax) return;
  reader.error(value.at, "the path of a socket is at most " + std::to_string(kUnixPathMax) +
                             " bytes, got " + std::to_string(path.size()) + " (" + quote(path) +
                             ")");
}

std::string string_schema() {
  return R"({"type":"string"})";
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// host[:port] of a Host field.
bool is_authority(std::string_view text) {
  const auto target = parse_target("http://" + std::string(text));
  return target.has_value() && !text.ends_with('/');
}

/// Fields that frame a message or belong to one connection: the server writes them itself.
bool is_reserved_field(std::string_view name) {
  constexpr std::string_view kReserved[] = {
      "connection", "content-length", "date",    "keep-alive",        "proxy-connection",
      "te",         "trailer",        "upgrade", "transfer-encoding",
  };
  return std::ranges::any_of(kReserved, [&](std::string_view r) { return http::iequals(r, name); });
}

std::string field_fault(std::string_view name, const Value& value) {
  if (!http::is_token(name)) return "is no name of a field";
  if (is_reserved_field(name)) return "is written by the server itself";
  if (value.kind != Value::Kind::kString) return "expected a string, got " + describe(value);
  if (!http::all_are(value.text, http::kValueByte))
    return "a field's value has no control characters";
  return {};
}

}  // namespace

std::string quote_value(std::string_view text) {
  std::string out;
  for (const char c : quote(text)) out.append(c == '$' ? 2 : 1, c);
  return out;
}

bool is_section_name(std::string_view name) noexcept {
  const auto allowed = [](char c) {
    return http::is(c, http::kAlpha) || http::is(c, http::kDigit) || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, allowed);
}

std::string annotate(std::string schema, std::string_view doc, std::string_view default_text) {
  schema.pop_back();
  schema.append(R"(,"description":)").append(quote(doc));
  if (!default_text.empty() && default_text.find('{') == std::string_view::npos) {
    schema.append(R"(,"default":)").append(default_text);
  }
  return schema += '}';
}

void Codec<bool>::read(Reader& reader, const Value& value, const Rule&, bool& out) {
  const bool word = value.from_environment && (value.text == "true" || value.text == "false");
  if (word) {
    out = value.text == "true";
    return;
  }
  if (value.kind != Value::Kind::kBoolean) return reader.expected("true or false", value);
  out = value.boolean;
}
std::string Codec<bool>::text(const bool& in) {
  return in ? "true" : "false";
}
std::string Codec<bool>::schema(const Rule&, const bool&) {
  return R"({"type":"boolean"})";
}

void Codec<std::uint32_t>::read(Reader& reader, const Value& value, const Rule& rule,
                                std::uint32_t& out) {
  const auto count = whole_number(value);
  if (!count || !in_range(rule, *count))
    return reader.expected("a whole number " + range(rule, number), value);
  out = static_cast<std::uint32_t>(*count);
}
std::string Codec<std::uint32_t>::text(const std::uint32_t& in) {
  return std::to_string(in);
}
std::string Codec<std::uint32_t>::schema(const Rule& rule, const std::uint32_t&) {
  return R"({"type":"integer","minimum":)" + number(rule.min) + R"(,"maximum":)" +
         number(rule.max) + "}";
}

void Codec<double>::read(Reader& reader, const Value& value, const Rule& rule, double& out) {
  const auto whole = whole_number(value);
  const bool real = value.kind == Value::Kind::kFloat;
  const double share = real ? value.real : static_cast<double>(whole.value_or(-1));
  const bool fits = (real || whole) && share >= static_cast<double>(rule.min) &&
                    share <= static_cast<double>(rule.max);
  if (!fits) return reader.expected("a number " + range(rule, number) + " such as 0.2", value);
  out = share;
}
std::string Codec<double>::text(const double& in) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), in).ptr;
  const std::string out(digits.data(), end);
  return out.find_first_of(".e") == std::string::npos ? out + ".0" : out;
}
std::string Codec<double>::schema(const Rule& rule, const double&) {
  return R"({"type":"number","minimum":)" + number(rule.min) + R"(,"maximum":)" + number(rule.max) +
         "}";
}

void Codec<std::uint64_t>::read(Reader& reader, const Value& value, const Rule& rule,
                                std::uint64_t& out) {
  std::uint64_t bytes = 0;
  if (value.kind == Value::Kind::kInteger) {
    if (value.integer < 0) return reader.expected("a size " + range(rule, size_text), value);
    bytes = static_cast<std::uint64_t>(value.integer);
  } else if (!read_parsed(reader, value, "a size such as \"64KiB\" or \"10MB\"", parse_size,
                          bytes)) {
    return;
  }
  // parse_size stays within 63 bits.
  if (!in_range(rule, static_cast<std::int64_t>(bytes)))
    return reader.expected("a size " + range(rule, size_text), value);
  out = bytes;
}
std::string Codec<std::uint64_t>::text(const std::uint64_t& in) {
  const std::string out = format_size(in);
  return http::all_are(out, http::kDigit) ? out : quote(out);
}
std::string Codec<std::uint64_t>::schema(const Rule& rule, const std::uint64_t&) {
  return R"({"type":["integer","string"],"minimum":)" + number(rule.min) + R"(,"maximum":)" +
         number(rule.max) + R"(,"pattern":"^[0-9]+ ?([KMGT]?i?B)?$|[$]"})";
}

void Codec<milliseconds>::read(Reader& reader, const Value& value, const Rule& rule,
                               milliseconds& out) {
  milliseconds time{};
  if (value.kind == Value::Kind::kInteger) {
    const std::string seconds = std::to_string(value.integer) + "s";
    return reader.error(value.at, "expected a time with its unit, got " + describe(value) +
                                      ", did you mean " + quote(seconds) + "?");
  }
  if (!read_parsed(reader, value, "a time such as \"250ms\" or \"5s\"", parse_duration, time))
    return;
  if (!in_range(rule, time.count()))
    return reader.expected("a time " + range(rule, duration_text), value);
  out = time;
}
std::string Codec<milliseconds>::text(const milliseconds& in) {
  return quote(format_duration(in));
}
std::string Codec<milliseconds>::schema(const Rule&, const milliseconds&) {
  return R"({"type":"string","pattern":"^([0-9]+ ?(ms|s|m|h)|0)$|[$]"})";
}

void Codec<std::string>::read(Reader& reader, const Value& value, const Rule& rule,
                              std::string& out) {
  if (value.kind != Value::Kind::kString) return reader.expected("a string", value);
  if (!rule.multiline && has_control(value.text))
    return reader.error(value.at, "has control characters in it");
  const std::string fault = rule.fault == nullptr ? std::string() : rule.fault(value.text);
  if (!fault.empty()) return reader.error(value.at, fault);
  out = value.text;
}
std::string Codec<std::string>::text(const std::string& in) {
  return quote_value(in);
}
std::string Codec<std::string>::schema(const Rule&, const std::string&) {
  return string_schema();
}

void Codec<std::filesystem::path>::read(Reader& reader, const Value& value, const Rule&,
                                        std::filesystem::path& out) {
  if (value.kind != Value::Kind::kString) return reader.expected("the path of a file", value);
  if (has_control(value.text)) return reader.error(value.at, "has control characters in it");
  out = value.text.empty() ? std::filesystem::path() : reader.resolve(value.at, value.text);
}
std::string Codec<std::filesystem::path>::text(const std::filesystem::path& in) {
  return quote_value(in.string());
}
std::string Codec<std::filesystem::path>::schema(const Rule&, const std::filesystem::path&) {
  return string_schema();
}

void Codec<Address>::read(Reader& reader, const Value& value, const Rule&, Address& out) {
  if (!read_parsed(reader, value,
                   "an address such as \"127.0.0.1:8080\" or \"unix:/run/millrace.sock\"",
                   parse_address, out))
    return;
  if (out.is_unix()) finish_unix_path(reader, value, out.host);
}
std::string Codec<Address>::text(const Address& in) {
  return quote_value(in.text());
}
std::string Codec<Address>::schema(const Rule&, const Address&) {
  return string_schema();
}

void Codec<Network>::read(Reader& reader, const Value& value, const Rule&, Network& out) {
  read_parsed(reader, value, "a network such as \"10.0.0.0/8\"", parse_network, out);
}
std::string Codec<Network>::text(const Network& in) {
  return quote(in.text());
}
std::string Codec<Network>::schema(const Rule&, const Network&) {
  return string_schema();
}

void Codec<PortRange>::read(Reader& reader, const Value& value, const Rule&, PortRange& out) {
  constexpr std::string_view kExpected = "a port from 1 to 65535 or a range such as \"8000-8999\"";
  if (value.kind == Value::Kind::kInteger) {
    if (value.integer < 1 || value.integer > 65535) return reader.expected(kExpected, value);
    out.first = out.last = static_cast<std::uint16_t>(value.integer);
    return;
  }
  read_parsed(reader, value, kExpected, parse_port_range, out);
}
std::string Codec<PortRange>::text(const PortRange& in) {
  return in.first == in.last ? in.text() : quote(in.text());
}
std::string Codec<PortRange>::schema(const Rule&, const PortRange&) {
  return R"({"type":["integer","string"],"minimum":1,"maximum":65535,)"
         R"("pattern":"^[0-9]+(-[0-9]+)?$|[$]"})";
}

void Codec<TargetUrl>::read(Reader& reader, const Value& value, const Rule&, TargetUrl& out) {
  if (!read_parsed(reader, value, "a target such as \"http://127.0.0.1:8000\"", parse_target,
                   out.target))
    return;
  if (out.target.kind == Target::Kind::kUnix) finish_unix_path(reader, value, out.target.host);
}
std::string Codec<TargetUrl>::text(const TargetUrl& in) {
  return quote_value(in.target.text());
}
std::string Codec<TargetUrl>::schema(const Rule&, const TargetUrl&) {
  return R"({"type":"string","pattern":"^(https?://|h2c://|unix:|srv:)|[$]"})";
}

void Codec<HostPattern>::read(Reader& reader, const Value& value, const Rule&, HostPattern& out) {
  read_parsed(reader, value, "a host such as \"example.com\" or \"*\"", parse_host_pattern, out);
}
std::string Codec<HostPattern>::text(const HostPattern& in) {
  return quote(in.text);
}
std::string Codec<HostPattern>::schema(const Rule&, const HostPattern&) {
  return string_schema();
}

void Codec<PathPattern>::read(Reader& reader, const Value& value, const Rule&, PathPattern& out) {
  read_parsed(reader, value, "a path such as \"/v1/image/*\"", parse_path_pattern, out);
}
std::string Codec<PathPattern>::text(const PathPattern& in) {
  return quote_value(in.text);
}
std::string Codec<PathPattern>::schema(const Rule&, const PathPattern&) {
  return R"({"type":"string","pattern":"^/|[$]"})";
}

void Codec<HostPolicy>::read(Reader& reader, const Value& value, const Rule&, HostPolicy& out) {
  constexpr std::string_view kExpected = "\"preserve\", \"upstream\" or a host name";
  if (value.kind != Value::Kind::kString) return reader.expected(kExpected, value);
  out.name.clear();
  if (value.text == "preserve") {
    out.kind = HostPolicy::Kind::kPreserve;
  } else if (value.text == "upstream") {
    out.kind = HostPolicy::Kind::kUpstream;
  } else if (is_authority(value.text)) {
    out = {HostPolicy::Kind::kFixed, value.text};
  } else {
    reader.expected(kExpected, value);
  }
}
std::string Codec<HostPolicy>::text(const HostPolicy& in) {
  if (in.kind == HostPolicy::Kind::kPreserve) return "\"preserve\"";
  return in.kind == HostPolicy::Kind::kUpstream ? "\"upstream\"" : quote(in.name);
}
std::string Codec<HostPolicy>::schema(const Rule&, const HostPolicy&) {
  return string_schema();
}

void Codec<RequestBuffer>::read(Reader& reader, const Value& value, const Rule& rule,
                                RequestBuffer& out) {
  const bool word = value.kind == Value::Kind::kString;
  if (word && value.text == "off") {
    out = {.kind = RequestBuffer::Kind::kOff};
  } else if (word && value.text == "spill") {
    out = {.kind = RequestBuffer::Kind::kSpill};
  } else if (word && !http::is(value.text.empty() ? '\0' : value.text.front(), http::kDigit)) {
    reader.expected("\"off\", \"spill\" or a size such as \"1MiB\"", value);
  } else {
    out.kind = RequestBuffer::Kind::kMemory;
    Codec<std::uint64_t>::read(reader, value, rule, out.bytes_max);
  }
}
std::string Codec<RequestBuffer>::text(const RequestBuffer& in) {
  switch (in.kind) {
    case RequestBuffer::Kind::kOff:
      return quote("off");
    case RequestBuffer::Kind::kSpill:
      return quote("spill");
    case RequestBuffer::Kind::kMemory:
      break;
  }
  return Codec<std::uint64_t>::text(in.bytes_max);
}
std::string Codec<RequestBuffer>::schema(const Rule& rule, const RequestBuffer& defaults) {
  return R"({"anyOf":[{"enum":["off","spill"]},)" +
         Codec<std::uint64_t>::schema(rule, defaults.bytes_max) + "]}";
}

void Codec<AccessLog>::read(Reader& reader, const Value& value, const Rule&, AccessLog& out) {
  if (value.kind != Value::Kind::kString || value.text.empty() || has_control(value.text)) {
    return reader.expected("\"stderr\", \"off\" or the path of a file", value);
  }
  if (value.text == "stdout") {
    return reader.expected("\"stderr\", \"off\" or the path of a file (\"/dev/stdout\")", value);
  }
  if (value.text == "off") {
    out = {AccessLog::Kind::kOff, {}};
  } else if (value.text == "stderr") {
    out = {AccessLog::Kind::kStderr, {}};
  } else {
    out = {AccessLog::Kind::kFile, reader.resolve(value.at, value.text)};
  }
}
std::string Codec<AccessLog>::text(const AccessLog& in) {
  if (in.kind == AccessLog::Kind::kOff) return "\"off\"";
  return in.kind == AccessLog::Kind::kStderr ? "\"stderr\"" : quote_value(in.file.string());
}
std::string Codec<AccessLog>::schema(const Rule&, const AccessLog&) {
  return string_schema();
}

void Codec<StringMap>::read(Reader& reader, const Value& value, const Rule&, StringMap& out) {
  if (value.kind != Value::Kind::kTable) return reader.expected("a table of fields", value);
  for (const Member& member : value.members) {
    if (member.value.broken) continue;
    const Reader::Inside inside(reader, quote_key(member.name));
    const std::string fault = field_fault(member.name, member.value);
    if (!fault.empty()) {
      reader.error(member.at, fault);
      continue;
    }
    out[member.name] = member.value.text;
  }
}
std::string Codec<StringMap>::text(const StringMap& in) {
  std::string out = "{";
  for (const auto& [name, value] : in) {
    out.append(out.size() == 1 ? " " : ", ")
        .append(quote_key(name))
        .append(" = ")
        .append(quote_value(value));
  }
  return out += " }";
}
std::string Codec<StringMap>::schema(const Rule&, const StringMap&) {
  return R"({"type":"object","additionalProperties":{"type":"string"}})";
}

}  // namespace millrace::config
