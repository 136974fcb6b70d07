// The keys of [upstream.NAME] that say which target gets a request. See keys.cpp.
#include "config/codec.hpp"
#include "http/ascii.hpp"

#include <array>
#include <charconv>

namespace millrace::config {
namespace {

// A wait always ends: 1 ms to a day.
constexpr Rule kWait{.min = 1, .max = 24 * 3'600 * 1'000};

// Empty ones are not given, but where the key must be.
std::string token_fault(std::string_view text) {
  if (http::all_are(text, http::kTchar)) return {};
  return "expected a name of letters, digits and \"-_.\", got " + quote(text);
}

std::string cookie_fault(std::string_view text) {
  return text.empty() ? "expected the name of a cookie" : token_fault(text);
}

std::string secret_fault(std::string_view text) {
  if (!text.empty()) return {};
  return "expected a secret; leave the key out for this process's own";
}

std::string path_fault(std::string_view text) {
  if (text.empty() || (text.starts_with('/') && http::all_are(text, http::kTargetByte))) return {};
  return "expected a path such as \"/healthz\", got " + quote(text);
}

}  // namespace

template <>
std::span<const Choice<Balance>> choices() {
  static constexpr auto kChoices = std::to_array<Choice<Balance>>({
      {Balance::kRoundRobin, "round_robin"},
      {Balance::kLeastRequests, "least_requests"},
      {Balance::kRandomTwo, "random_two"},
      {Balance::kRingHash, "ring_hash"},
  });
  return kChoices;
}

template <>
std::span<const Choice<Resolve>> choices() {
  static constexpr auto kChoices = std::to_array<Choice<Resolve>>({
      {Resolve::kEach, "each"},
      {Resolve::kOne, "one"},
  });
  return kChoices;
}

template <>
std::span<const Field<WeightedTarget>> fields() {
  static constexpr auto kFields = std::to_array<Field<WeightedTarget>>({
      key<&WeightedTarget::url>("url", "The target, as it would stand alone.", {.required = true}),
      key<&WeightedTarget::weight>(
          "weight",
          "Its share beside the others'; 0 gets nothing. Of an srv target all are "
          "multiplied by it.",
          {.max = 65'535}),
      key<&WeightedTarget::priority>(
          "priority",
          "Group in which it is: the lowest that has enough healthy targets gets "
          "everything, the others stand by.",
          {.max = 65'535}),
  });
  return kFields;
}

template <>
std::span<const Field<HashKey>> fields() {
  static constexpr auto kFields = std::to_array<Field<HashKey>>({
      key<&HashKey::header>("header", "The value of this header field.", {.fault = token_fault}),
      key<&HashKey::cookie>("cookie", "The value of this cookie.", {.fault = token_fault}),
      key<&HashKey::path>("path", "The path, without the query."),
      key<&HashKey::address>("address", "The client's address, without the port."),
  });
  return kFields;
}

template <>
std::span<const Field<Sticky>> fields() {
  static constexpr auto kFields = std::to_array<Field<Sticky>>({
      key<&Sticky::cookie>("cookie", "Name of the cookie that says which target a client has.",
                           {.required = true, .fault = cookie_fault}),
      key<&Sticky::ttl>("ttl", "How long browsers keep it; \"none\": until they are closed.",
                        {.min = 1'000, .max = std::int64_t{400} * 24 * 3'600 * 1'000}),
      key<&Sticky::secret>(
          "secret",
          "What its value is made with. Give the same one to all servers that share clients; "
          "without one the cookies of before a restart are worth nothing.",
          {.fault = secret_fault}),
  });
  return kFields;
}

template <>
std::span<const Field<HealthCheck>> fields() {
  static constexpr auto kFields = std::to_array<Field<HealthCheck>>({
      key<&HealthCheck::path>("path", "What is asked for, by GET.", {.fault = path_fault}),
      key<&HealthCheck::tcp>("tcp", "true: a connection is enough, nothing is asked."),
      key<&HealthCheck::host>("host", "The Host field of the checks; empty: the target's own."),
      key<&HealthCheck::status>("status", "The good statuses: \"200\" or \"200-399\"."),
      key<&HealthCheck::interval>("interval",
                                  "Between two checks of a target, give or take a tenth so that "
                                  "they do not come in step.",
                                  {.min = 100, .max = 24 * 3'600 * 1'000}),
      key<&HealthCheck::timeout>("timeout", "A check that takes longer has failed.", kWait),
      key<&HealthCheck::healthy>("healthy", "Good checks in a row that bring a target back.",
                                 {.min = 1, .max = 1'000}),
      key<&HealthCheck::unhealthy>("unhealthy",
                                   "Bad checks in a row that take it out. The very first check "
                                   "counts alone.",
                                   {.min = 1, .max = 1'000}),
  });
  return kFields;
}

template <>
std::span<const Field<Outlier>> fields() {
  static constexpr auto kFields = std::to_array<Field<Outlier>>({
      key<&Outlier::failures>("failures",
                              "Failed requests in a row that eject a target: refused, reset, "
                              "silent, or answered with 502, 503 or 504. 0: off.",
                              {.max = 1'000'000}),
      key<&Outlier::error_percent>("error_percent",
                                   "Share of failed requests in an interval that ejects it, if it "
                                   "is more than twice that of the others. 0: off.",
                                   {.max = 100}),
      key<&Outlier::slow_factor>("slow_factor",
                                 "How many times slower than the median of the others it is "
                                 "ejected for. 0: off, it gets less by itself.",
                                 {.max = 1'000}),
      key<&Outlier::interval>("interval", "How long requests are counted for those two.", kWait),
      key<&Outlier::requests_min>("requests_min",
                                  "Fewer requests of a target in an interval say nothing.",
                                  {.min = 1, .max = 1'000'000}),
      key<&Outlier::eject>(
          "eject", "How long it is left alone, times the number of its ejections lately.", kWait),
      key<&Outlier::eject_max>("eject_max", "How long at most.", kWait),
      key<&Outlier::ejected_percent_max>(
          "ejected_percent_max",
          "Share of the targets that may be ejected at once; one may always, but for the last. 0: "
          "nobody ever is.",
          {.max = 100}),
  });
  return kFields;
}

template <>
std::span<const Field<Breaker>> fields() {
  static constexpr auto kFields = std::to_array<Field<Breaker>>({
      key<&Breaker::failures>("failures",
                              "Failed requests in a row, of whatever targets, after which all are "
                              "refused for a while. 0: off.",
                              {.max = 1'000'000}),
      key<&Breaker::open>("open", "For how long; then one request tries.", kWait),
  });
  return kFields;
}

// --- values ---

std::string StatusRange::text() const {
  const std::string from = std::to_string(first);
  return first == last ? from : from + "-" + std::to_string(last);
}

Parsed<StatusRange> parse_status_range(std::string_view text) {
  const auto number = [](std::string_view digits) -> std::uint16_t {
    std::uint16_t out = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    const bool whole = error == std::errc() && stop == digits.data() + digits.size();
    return whole && out >= 100 && out <= 599 ? out : 0;
  };
  const std::size_t dash = text.find('-');
  StatusRange range;
  range.first = number(text.substr(0, dash));
  range.last = dash == std::string_view::npos ? range.first : number(text.substr(dash + 1));
  if (range.first == 0 || range.last < range.first)
    return std::unexpected("expected a status or a range such as \"200-399\", got " + quote(text));
  return range;
}

void Codec<StatusRange>::read(Reader& reader, const Value& value, const Rule&, StatusRange& out) {
  if (value.kind != Value::Kind::kString) return reader.expected("a string", value);
  auto parsed = parse_status_range(value.text);
  if (!parsed) return reader.error(value.at, parsed.error());
  out = *parsed;
}
std::string Codec<StatusRange>::text(const StatusRange& in) {
  return quote(in.text());
}
std::string Codec<StatusRange>::schema(const Rule&, const StatusRange&) {
  return R"({"type":"string","pattern":"^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$"})";
}

void Codec<Target>::read(Reader& reader, const Value& value, const Rule& rule, Target& out) {
  if (value.kind != Value::Kind::kTable) {
    TargetUrl url;
    read_value(reader, value, rule, url);
    out = std::move(url.target);
    return;
  }
  WeightedTarget table;
  read_value(reader, value, rule, table);
  out = std::move(table.url.target);
  out.weight = table.weight;
  out.priority = table.priority;
}
std::string Codec<Target>::text(const Target& in) {
  if (in.weight == 1 && in.priority == 0) return quote_value(in.text());
  return Codec<WeightedTarget>::text({{in}, in.weight, in.priority});
}
std::string Codec<Target>::schema(const Rule& rule, const Target&) {
  return R"({"anyOf":[{"type":"string"},)" + Codec<WeightedTarget>::schema(rule, {}) + "]}";
}

}  // namespace millrace::config
