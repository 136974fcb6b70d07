// The keys of [process.NAME]; see keys.cpp.
#include "config/codec.hpp"
#include "http/ascii.hpp"

#include <array>

namespace millrace::config {
namespace {

constexpr std::int64_t kDay = 24 * 3'600 * 1'000LL;
constexpr Rule kWait{.min = 1, .max = kDay};
constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kTiB = std::int64_t{1} << 40;

std::string url_fault(std::string_view text) {
  const bool http = text.starts_with("http://") || text.starts_with("https://");
  if (text.empty() || (http && http::all_are(text, http::kTargetByte))) return {};
  return "expected a URL such as \"https://example.com/hook\", got " + quote(text);
}

std::string user_fault(std::string_view text) {
  if (text.find_first_of(" :/") == std::string_view::npos) return {};
  return "expected the name or the number of a user, got " + quote(text);
}

bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && !http::is(name.front(), http::kDigit) &&
         std::ranges::all_of(name, [](char c) {
           return http::is(c, http::kAlpha) || http::is(c, http::kDigit) || c == '_';
         });
}

}  // namespace

void Codec<Command>::read(Reader& reader, const Value& value, const Rule&, Command& out) {
  constexpr std::string_view kExpected =
      "a list of strings, the program first, such as [\"uvicorn\", \"app:app\"]";
  if (value.kind != Value::Kind::kArray) return reader.expected(kExpected, value);
  if (value.items.empty()) return reader.error(value.at, "expected a program and its arguments");
  out.words.clear();
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    const Value& word = value.items[i];
    const Reader::Inside inside(reader, i);
    if (word.broken) continue;
    if (word.kind != Value::Kind::kString) return reader.expected("a string", word);
    if (has_nul(word.text)) return reader.error(word.at, "has a NUL in it");
    if (i == 0 && word.text.empty()) return reader.expected("the name of a program", word);
    out.words.push_back(word.text);
  }
}
std::string Codec<Command>::text(const Command& in) {
  if (in.words.empty()) return {};
  std::string out = "[";
  for (const std::string& word : in.words)
    out.append(out.size() == 1 ? "" : ", ").append(quote_value(word));
  return out += "]";
}
std::string Codec<Command>::schema(const Rule&, const Command&) {
  return R"({"type":"array","minItems":1,"items":{"type":"string"}})";
}

void Codec<Variables>::read(Reader& reader, const Value& value, const Rule&, Variables& out) {
  if (value.kind != Value::Kind::kTable) return reader.expected("a table of variables", value);
  for (const Member& member : value.members) {
    if (member.value.broken) continue;
    const Reader::Inside inside(reader, quote_key(member.name));
    if (!is_variable_name(member.name))
      reader.error(member.at, "is no name of an environment variable");
    else if (member.value.kind != Value::Kind::kString)
      reader.expected("a string", member.value);
    else if (has_nul(member.value.text))
      reader.error(member.value.at, "has a NUL in it");
    else
      out.values[member.name] = member.value.text;
  }
}
std::string Codec<Variables>::text(const Variables& in) {
  std::string out = "{";
  for (const auto& [name, value] : in.values) {
    out.append(out.size() == 1 ? " " : ", ").append(quote_key(name)).append(" = ");
    out.append(quote_value(value));
  }
  return out += " }";
}
std::string Codec<Variables>::schema(const Rule&, const Variables&) {
  return R"({"type":"object","additionalProperties":{"type":"string"}})";
}

void Codec<Ready>::read(Reader& reader, const Value& value, const Rule&, Ready& out) {
  constexpr std::string_view kExpected = "\"answer\", \"socket\" or a path such as \"/health\"";
  if (value.kind != Value::Kind::kString) return reader.expected(kExpected, value);
  if (value.text == "answer") {
    out = {};
  } else if (value.text == "socket") {
    out = {Ready::Kind::kSocket, {}};
  } else if (value.text.starts_with('/') && http::all_are(value.text, http::kTargetByte)) {
    out = {Ready::Kind::kPath, value.text};
  } else {
    reader.expected(kExpected, value);
  }
}
std::string Codec<Ready>::text(const Ready& in) {
  if (in.kind == Ready::Kind::kAnswer) return "\"answer\"";
  return in.kind == Ready::Kind::kSocket ? "\"socket\"" : quote_value(in.path);
}
std::string Codec<Ready>::schema(const Rule&, const Ready&) {
  return R"({"type":"string","pattern":"^(answer|socket|/.*)$|[$]"})";
}

template <>
std::span<const Field<Recycle>> fields() {
  static constexpr auto kFields = std::to_array<Field<Recycle>>({
      key<&Recycle::requests>("requests", "After so many requests; 0 is never.",
                              {.max = 4'000'000'000}),
      key<&Recycle::age>("age", "After such a time.", {.min = 1'000, .max = 365 * kDay}),
      key<&Recycle::rss_bytes>(
          "rss", "When it and what it has started hold so much memory: what ends a leak in time.",
          {.min = kMiB, .max = kTiB}),
  });
  return kFields;
}

template <>
std::span<const Field<ProcessLimits>> fields() {
  static constexpr auto kFields = std::to_array<Field<ProcessLimits>>({
      key<&ProcessLimits::memory_bytes>(
          "memory",
          "Heap and private mappings of each of its processes (RLIMIT_DATA); over it Python raises "
          "MemoryError.",
          {.min = kMiB, .max = 64 * kTiB}),
      key<&ProcessLimits::files>("files", "Open descriptors; 0 is what Millrace has itself.",
                                 {.max = 1 << 30}),
  });
  return kFields;
}

template <>
std::span<const Field<Alert>> fields() {
  static constexpr auto kFields = std::to_array<Field<Alert>>({
      key<&Alert::command>("command",
                           "A program that is run, with what has happened as JSON in "
                           "MILLRACE_ALERT."),
      key<&Alert::url>("url", "A URL to which the same JSON is posted.", {.fault = url_fault}),
  });
  return kFields;
}

template <>
std::span<const Field<Process>> fields() {
  static constexpr auto kFields = std::to_array<Field<Process>>({
      key<&Process::command>("command",
                             "The program and its arguments, without a shell. {socket}, {port}, "
                             "{index} and {name} are "
                             "replaced in them.",
                             {.required = true}),
      key<&Process::workers>("workers", "Instances that serve side by side.",
                             {.min = 1, .max = 1'024}),
      key<&Process::environment>("environment",
                                 "Variables beside Millrace's own; placeholders as in command."),
      key<&Process::directory>("directory", "Where it is started; Millrace's own when not given."),
      key<&Process::user>("user", "Who it runs as; needs root. Empty: who Millrace runs as.",
                          {.fault = user_fault}),
      key<&Process::ready>("ready",
                           "When it gets requests: \"answer\", once it answers GET / with anything "
                           "below 500; a path, "
                           "once that is answered with 2xx or 3xx; \"socket\", once it listens."),
      key<&Process::ready_timeout>(
          "ready_timeout", "How long a start may take. Long, because models are loaded in it.",
          kWait),
      key<&Process::drain_timeout>(
          "drain_timeout", "How long an instance that is replaced may finish its requests.", kWait),
      key<&Process::stop_timeout>("stop_timeout", "From SIGTERM to SIGKILL.", kWait),
      key<&Process::hang_timeout>(
          "hang_timeout",
          "An instance with requests that wait, from which nothing has come for so long and which "
          "does not answer a probe, is ended and replaced. None: never.",
          kWait),
      key<&Process::recycle>("recycle", "When an instance is replaced by a fresh one."),
      key<&Process::limits>("limits", "What the kernel allows each instance."),
      key<&Process::watch>("watch",
                           "Files and folders; when one changes, all instances are replaced, one "
                           "after the other."),
      key<&Process::alert>("alert", "Who is told when it fails."),
  });
  return kFields;
}

}  // namespace millrace::config
