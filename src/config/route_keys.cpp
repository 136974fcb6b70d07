// The keys of [[route]]. See keys.cpp.
#include "config/codec.hpp"
#include "config/keys_passing.hpp"
#include "config/load.hpp"
#include "http/ascii.hpp"
#include "http/fields.hpp"

#include <algorithm>
#include <array>

namespace millrace::config {
namespace {

constexpr std::int64_t kGiB = 1 << 30;

std::string field_name_fault(std::string_view text) {
  if (!text.empty() && http::all_are(text, http::kTchar)) return {};
  return "expected the name of a field";
}

std::string path_fault(std::string_view text) {
  if (text.starts_with('/') && http::all_are(text, http::kTargetByte) &&
      text.find_first_of("?#*{}") == std::string_view::npos && !text.contains("//"))
    return {};
  return "expected a path such as \"/api\"";
}

std::string prefix_fault(std::string_view text) {
  if (text.empty()) return {};
  if (text.ends_with('/')) return "a prefix has no \"/\" at its end, got " + quote(text);
  const std::string fault = path_fault(text);
  return fault.empty() ? fault : fault + ", got " + quote(text);
}

std::string location_fault(std::string_view text) {
  const bool absolute = text.starts_with("http://") || text.starts_with("https://");
  const bool path = text.starts_with('/') && !text.starts_with("//");
  if ((absolute || path) && http::all_are(text, http::kTargetByte)) return {};
  return "expected a path or an absolute URL, such as \"https://example.com/\"";
}

/// As it would be judged with something in its places.
std::string filled(const Template& in) {
  std::string out;
  for (const Template::Piece& piece : in.pieces) {
    const bool path = out.empty() && (piece.text == "uri" || piece.text == "path");
    out += piece.place ? (path ? "/x" : "x") : piece.text;
  }
  return in.rest ? out + "/x" : out;
}

}  // namespace

template <>
std::span<const Field<RouteMatch>> fields() {
  static constexpr auto kFields = std::to_array<Field<RouteMatch>>({
      key<&RouteMatch::host>("host", "Host without port: a name, *.name or \"*\"."),
      key<&RouteMatch::path>("path",
                             "/a/* is /a/ and below; without * exact; {id} is one segment."),
      key<&RouteMatch::method>("method", "Methods; empty is any."),
      key<&RouteMatch::header>(
          "header",
          "Fields that must be there, each with its value: \"gold\", \"gold*\", \"*gold*\", "
          "\"*\" any.",
          {.fault = field_name_fault}),
      key<&RouteMatch::query>(
          "query", "Parameters of the query that must be there, each with its value likewise."),
  });
  return kFields;
}

template <>
std::span<const Field<Redirect>> fields() {
  static constexpr auto kFields = std::to_array<Field<Redirect>>({
      key<&Redirect::to>(
          "to",
          "The Location field: a path or an absolute URL. {name} is a parameter of match.path, "
          "{host}, {uri}, {path} and {query} are the request's, and /* at the end is what lies "
          "behind the fixed part of match.path.",
          {.required = true, .fault = location_fault}),
      key<&Redirect::status>("status",
                             "301, 302, 303, 307 or 308. 308 is permanent and keeps the method.",
                             {.max = 999}),
  });
  return kFields;
}

template <>
std::span<const Field<Respond>> fields() {
  static constexpr auto kFields = std::to_array<Field<Respond>>({
      key<&Respond::status>("status", "The status code.", {.min = 200, .max = 599}),
      key<&Respond::body>("body", "The body.", {.multiline = true}),
      key<&Respond::headers>("headers",
                             "Fields, such as Content-Type; not those that frame a message."),
  });
  return kFields;
}

template <>
std::span<const Field<Rewrite>> fields() {
  static constexpr auto kFields = std::to_array<Field<Rewrite>>({
      key<&Rewrite::strip_prefix>("strip_prefix",
                                  "Taken away from the beginning; the service is told in "
                                  "X-Forwarded-Prefix.",
                                  {.fault = prefix_fault}),
      key<&Rewrite::add_prefix>("add_prefix", "Put in front, after that.", {.fault = prefix_fault}),
      key<&Rewrite::path>(
          "path",
          "The path upstream: {name} is a parameter of match.path, /* at the end is "
          "what lies behind its fixed part.",
          {.fault = path_fault}),
  });
  return kFields;
}

template <>
std::span<const Field<Mirror>> fields() {
  static constexpr auto kFields = std::to_array<Field<Mirror>>({
      key<&Mirror::upstream>("upstream", "Name of the upstream that gets copies.",
                             {.required = true}),
      key<&Mirror::percent>("percent", "Of so many requests in a hundred.", {.min = 1, .max = 100}),
  });
  return kFields;
}

std::string print_match(const RouteMatch& match) {
  std::string out = "{ ";
  if (!match.host.matches_all()) out += "host = " + quote_value(match.host.text) + ", ";
  out += "path = " + quote_value(match.path.text);
  if (!match.method.empty())
    out += ", method = " + Codec<std::vector<http::Method>>::text(match.method);
  if (!match.header.empty()) out += ", header = " + Codec<TextPatterns>::text(match.header);
  if (!match.query.empty()) out += ", query = " + Codec<TextPatterns>::text(match.query);
  return out + " }";
}

void Codec<TextPatterns>::read(Reader& reader, const Value& value, const Rule& rule,
                               TextPatterns& out) {
  if (value.kind != Value::Kind::kTable)
    return reader.expected("a table such as { name = \"value\" }", value);
  for (const Member& member : value.members) {
    const Reader::Inside inside(reader, quote_key(member.name));
    if (member.value.broken) continue;
    const bool field = rule.fault != nullptr;
    const std::string fault = field ? rule.fault(member.name) : std::string();
    std::string name = member.name;
    if (field) std::ranges::transform(name, name.begin(), http::to_lower);
    if (!fault.empty()) {
      reader.error(member.at, fault);
    } else if (out.contains(name)) {
      reader.error(member.at, "stands twice: names of fields have no case");
    } else if (member.value.kind != Value::Kind::kString) {
      reader.expected("a string such as \"gold\", \"gold*\" or \"*\"", member.value);
    } else if (auto pattern = parse_text_pattern(member.value.text); pattern) {
      out[std::move(name)] = std::move(*pattern);
    } else {
      reader.error(member.value.at, pattern.error());
    }
  }
}
std::string Codec<TextPatterns>::text(const TextPatterns& in) {
  std::string out = "{";
  for (const auto& [name, pattern] : in)
    out.append(out.size() == 1 ? " " : ", ")
        .append(quote_key(name))
        .append(" = ")
        .append(quote_value(pattern.text));
  return in.empty() ? std::string() : out + " }";
}
std::string Codec<TextPatterns>::schema(const Rule&, const TextPatterns&) {
  return R"({"type":"object","additionalProperties":{"type":"string"}})";
}

void Codec<Template>::read(Reader& reader, const Value& value, const Rule& rule, Template& out) {
  if (value.kind != Value::Kind::kString) return reader.expected("a string", value);
  auto parsed = parse_template(value.text);
  if (!parsed) return reader.error(value.at, parsed.error());
  const std::string fault = rule.fault(filled(*parsed));
  if (!fault.empty()) return reader.error(value.at, fault + ", got " + quote(value.text));
  out = std::move(*parsed);
}
std::string Codec<Template>::text(const Template& in) {
  return quote_value(in.text);
}
std::string Codec<Template>::schema(const Rule&, const Template&) {
  return R"({"type":"string"})";
}

void Codec<Split>::read(Reader& reader, const Value& value, const Rule&, Split& out) {
  if (value.kind != Value::Kind::kTable)
    return reader.expected("a table such as { stable = 95, canary = 5 }", value);
  for (const Member& member : value.members) {
    const Reader::Inside inside(reader, quote_key(member.name));
    read_value(reader, member.value, {.max = 1'000'000}, out.weights[member.name]);
  }
}
std::string Codec<Split>::text(const Split& in) {
  std::string out = "{";
  for (const auto& [name, weight] : in.weights)
    out.append(out.size() == 1 ? " " : ", ")
        .append(quote_key(name))
        .append(" = ")
        .append(std::to_string(weight));
  return out += " }";
}
std::string Codec<Split>::schema(const Rule&, const Split&) {
  return R"({"type":"object","minProperties":1,"additionalProperties":)"
         R"({"type":"integer","minimum":0,"maximum":1000000}})";
}

template <>
std::span<const Field<Route>> fields() {
  static constexpr auto kFields = std::to_array<Field<Route>>({
      key<&Route::match>("match", "Which requests; all that is given must fit."),
      key<&Route::upstream>("upstream", "Name of the upstream that answers."),
      key<&Route::split>("split",
                         "Upstreams that answer in turn, by chance, each with its weight: "
                         "{ stable = 95, canary = 5 }."),
      key<&Route::endpoint>("endpoint", "Name of the built-in endpoint that answers."),
      key<&Route::redirect>("redirect", "Sends the client elsewhere."),
      key<&Route::respond>("respond", "A fixed answer."),
      later<Route>("static"),
      key<&Route::timeout>("timeout", "For this route; what it leaves out is the upstream's."),
      key<&Route::retry>("retry", "For this route; what it leaves out is the upstream's."),
      key<&Route::buffer_request>(
          "buffer_request",
          "Bodies with a Content-Length up to this size are taken in before a worker is occupied, "
          "for at most 10 s; \"spill\" takes in any, into a file; \"off\" none.",
          {.min = 1, .max = kGiB}),
      key<&Route::client_gone>("client_gone",
                               "What becomes of a request whose client has gone: \"cancel\" ends "
                               "it, \"finish\" lets the service finish it."),
      key<&Route::rewrite>("rewrite", "What becomes of the path upstream."),
      key<&Route::split_by>("split_by",
                            "Requests that have this in common go to the same upstream of the "
                            "split."),
      key<&Route::mirror>("mirror", "Another upstream that gets a copy, whose answer nobody sees."),
      key<&Route::server_timing>("server_timing",
                                 "Tells in Server-Timing how long the service took. Not given: "
                                 "clients on loopback and trusted proxies are told."),
  });
  return kFields;
}

}  // namespace millrace::config
