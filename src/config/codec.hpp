// Tables of keys and what can be done with them: read a tree into a struct, print a struct,
// describe both.
//
// A Field is a row: name, sentence, range, and four functions that key<&Struct::member>()
// instantiates from the member's type. A type that may stand in the file has a Codec:
//   read    value -> member, or an error that names what was expected
//   text    member -> one line of TOML; empty: the key is left out
//   schema  JSON Schema of the values, from the same rule
// Any struct without a Codec of its own is a table described by fields<Struct>() (keys.cpp).
//
// Adding a key is a member in config.hpp and a row in keys.cpp. Private to src/config.
#pragma once

#include "config/config.hpp"
#include "config/reader.hpp"
#include "config/suggest.hpp"
#include "config/units.hpp"
#include "config/value.hpp"

#include <algorithm>
#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace millrace::config {

/// What a key takes beyond its type. Sizes in bytes, times in milliseconds, both ends included.
struct Rule {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  bool required = false;
  bool multiline = false;  ///< strings: control characters are fine
  std::string (*fault)(std::string_view) =
      nullptr;  ///< strings: what is wrong with one, or nothing
};

template <class S>
struct Field {
  std::string_view name;
  std::string_view doc;
  Rule rule;
  bool later = false;  ///< of the contract, but not of this version
  void (*read)(Reader&, const Value&, const Rule&, S&) = nullptr;
  std::string (*text)(const S&) = nullptr;
  void (*sections)(const std::string& path, const S&,
                   std::string& out) = nullptr;  ///< or null: one line
  std::string (*schema)(const Rule&, const S& defaults) = nullptr;
  std::vector<std::string_view> (*children)() = nullptr;
};

template <class S>
[[nodiscard]] std::span<const Field<S>> fields();
// In process_keys.cpp; the others are in keys.cpp.
template <>
std::span<const Field<Process>> fields();

// In balance_keys.cpp; the others are in keys.cpp.
template <>
std::span<const Field<WeightedTarget>> fields();
template <>
std::span<const Field<HashKey>> fields();
template <>
std::span<const Field<Sticky>> fields();
template <>
std::span<const Field<HealthCheck>> fields();
template <>
std::span<const Field<Outlier>> fields();
template <>
std::span<const Field<Breaker>> fields();

// In route_keys.cpp; the others are in keys.cpp.
template <>
std::span<const Field<RouteMatch>> fields();
template <>
std::span<const Field<Redirect>> fields();
template <>
std::span<const Field<Respond>> fields();
template <>
std::span<const Field<Rewrite>> fields();
template <>
std::span<const Field<Mirror>> fields();
template <>
std::span<const Field<Route>> fields();

template <class T, class... Ts>
concept OneOf = (std::same_as<T, Ts> || ...);

/// Printed under a header of its own, `[server]` or `[[route]]`, not as `{ ... }`.
template <class T>
inline constexpr bool kSection = OneOf<T, Server, TlsListener, Limits, Admin, Log, Fetch, Egress,
                                       Offload, Image, Compute, Upstream, Process, Route>;

/// An optional that is written as "none"; any other one is simply left out.
template <class T>
inline constexpr bool kNoneable = OneOf<T, std::uint64_t, milliseconds, Address>;

/// quote() plus `$$` for `$`: what the file's substitution turns back into `text`.
[[nodiscard]] std::string quote_value(std::string_view text);
/// Reports unknown key `member` of the table that is being read.
void report_unknown(Reader& reader, const Member& member, std::span<const std::string_view> names);

/// Adds the description and the default; of TOML's values scalars and arrays of them are JSON's
/// too.
[[nodiscard]] std::string annotate(std::string schema, std::string_view doc,
                                   std::string_view default_text);

template <class T>
struct Codec;

template <class T>
void read_value(Reader& reader, const Value& value, const Rule& rule, T& out) {
  if (!value.broken) Codec<T>::read(reader, value, rule, out);
}

// --- tables
// ------------------------------------------------------------------------------------------

template <class S>
std::vector<std::string_view> names_of() {
  std::vector<std::string_view> names;
  for (const Field<S>& field : fields<S>()) {
    if (!field.later) names.push_back(field.name);
  }
  return names;
}

template <class S>
const Field<S>* find_field(std::string_view name) {
  for (const Field<S>& field : fields<S>()) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

template <class S>
struct Codec {
  static void read(Reader& reader, const Value& value, const Rule&, S& out) {
    if (value.kind != Value::Kind::kTable) return reader.expected("a table", value);
    for (const Member& member : value.members) read_member(reader, member, out);
    for (const Field<S>& field : fields<S>()) {
      if (!field.rule.required || value.find(field.name) != nullptr) continue;
      reader.error(value.at, "needs the key " + quote(field.name));
    }
  }

  static std::string text(const S& in) {
    std::string out = "{";
    for (const Field<S>& field : fields<S>()) {
      if (field.later) continue;
      const std::string value = field.text(in);
      if (value.empty()) continue;
      out.append(out.size() == 1 ? " " : ", ").append(field.name).append(" = ").append(value);
    }
    return out += " }";
  }

  static std::string schema(const Rule&, const S& defaults) {
    std::string properties, required;
    for (const Field<S>& field : fields<S>()) {
      if (field.later) continue;
      if (!properties.empty()) properties += ',';
      const bool shown = field.text != nullptr && !field.rule.required;
      properties.append(quote(field.name)).append(":");
      properties += annotate(field.schema(field.rule, defaults), field.doc,
                             shown ? field.text(defaults) : "");
      if (!field.rule.required) continue;
      required.append(required.empty() ? "" : ",").append(quote(field.name));
    }
    if (!required.empty()) required = R"(,"required":[)" + required + "]";
    return R"({"type":"object","additionalProperties":false,"properties":{)" + properties + "}" +
           required + "}";
  }

 private:
  static void read_member(Reader& reader, const Member& member, S& out) {
    const Field<S>* field = find_field<S>(member.name);
    if (field == nullptr) return report_unknown(reader, member, names_of<S>());
    const Reader::Inside inside(reader, member.name);
    if (field->later) return reader.error(member.at, "known but not supported by this version");
    if (!member.value.broken) field->read(reader, member.value, field->rule, out);
  }
};

/// The `[path]` of a struct: first what fits on lines, then what has headers of its own.
template <class S>
void print_table(const std::string& path, const S& in, std::string& out) {
  for (const Field<S>& field : fields<S>()) {
    if (field.later || field.sections != nullptr) continue;
    const std::string value = field.text(in);
    if (!value.empty()) out.append(field.name).append(" = ").append(value).append("\n");
  }
  for (const Field<S>& field : fields<S>()) {
    if (field.sections == nullptr) continue;
    const std::string below =
        path.empty() ? std::string(field.name) : path + "." + std::string(field.name);
    field.sections(below, in, out);
  }
}

// --- lists, named tables, optionals
// ----------------------------------------------------------------------

/// Port 0 is another port each time.
template <class T>
[[nodiscard]] bool may_repeat(const T& item) noexcept {
  if constexpr (std::is_same_v<T, Address>)
    return !item.is_unix() && item.port == 0;
  else
    return false;
}

template <class T>
struct Codec<std::vector<T>> {
  static void read(Reader& reader, const Value& value, const Rule& rule, std::vector<T>& out) {
    // `--set server.listen=127.0.0.1:0` needs no brackets.
    if (value.kind == Value::Kind::kString && value.at.source != 0) {
      Value list{.kind = Value::Kind::kArray, .at = value.at};
      list.items.push_back(value);
      return read(reader, list, rule, out);
    }
    if (value.kind != Value::Kind::kArray) {
      const bool table = value.kind == Value::Kind::kTable && kSection<T>;
      const std::string what =
          table ? "an array of tables ([[" + reader.path() + "]])" : "an array";
      return reader.expected(what, value);
    }
    out.clear();
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      const Reader::Inside inside(reader, i);
      const std::size_t errors = reader.count();
      T item{};
      read_value(reader, value.items[i], rule, item);
      const bool good = !value.items[i].broken && reader.count() == errors;
      if (good && !kSection<T> && !may_repeat(item) && std::ranges::find(out, item) != out.end()) {
        reader.error(value.items[i].at, "stands twice");
      }
      // Wrong ones are kept too, empty: the checks find their places by index.
      out.push_back(std::move(item));
    }
  }

  static std::string text(const std::vector<T>& in) {
    std::string out = "[";
    for (const T& item : in) out.append(out.size() == 1 ? "" : ", ").append(Codec<T>::text(item));
    return out += "]";
  }

  static std::string schema(const Rule& rule, const std::vector<T>&) {
    return R"({"type":"array","items":)" + Codec<T>::schema(rule, T{}) + "}";
  }
};

/// Names of `[upstream.NAME]`: they appear in logs, metrics and paths of the admin address.
[[nodiscard]] bool is_section_name(std::string_view name) noexcept;

template <class T>
struct Codec<std::map<std::string, T, std::less<>>> {
  using Map = std::map<std::string, T, std::less<>>;

  static void read(Reader& reader, const Value& value, const Rule& rule, Map& out) {
    if (value.kind != Value::Kind::kTable) return reader.expected("a table", value);
    for (const Member& member : value.members) {
      const Reader::Inside inside(reader, quote_key(member.name));
      if (!is_section_name(member.name)) {
        reader.error(member.at, "a name is 1 to 64 letters, digits, \"-\" and \"_\"");
        continue;
      }
      read_value(reader, member.value, rule, out[member.name]);
    }
  }

  static std::string schema(const Rule& rule, const Map&) {
    return R"({"type":"object","propertyNames":{"pattern":"^[A-Za-z0-9_-]{1,64}$"},)"
           R"("additionalProperties":)" +
           Codec<T>::schema(rule, T{}) + "}";
  }
};

template <class T>
struct Codec<std::optional<T>> {
  static void read(Reader& reader, const Value& value, const Rule& rule, std::optional<T>& out) {
    const bool none = kNoneable<T> && value.kind == Value::Kind::kString && value.text == "none";
    if (none) {
      out.reset();
      return;
    }
    T item{};
    read_value(reader, value, rule, item);
    out = std::move(item);
  }

  static std::string text(const std::optional<T>& in) {
    if (in) return Codec<T>::text(*in);
    return kNoneable<T> ? "\"none\"" : "";
  }

  static std::string schema(const Rule& rule, const std::optional<T>& defaults) {
    const std::string inner = Codec<T>::schema(rule, defaults.value_or(T{}));
    return kNoneable<T> ? R"({"anyOf":[{"const":"none"},)" + inner + "]}" : inner;
  }
};

// --- scalars
// -----------------------------------------------------------------------------------------

#define MILLRACE_SCALAR_CODEC(Type)                                                    \
  template <>                                                                          \
  struct Codec<Type> {                                                                 \
    static void read(Reader& reader, const Value& value, const Rule& rule, Type& out); \
    static std::string text(const Type& in);                                           \
    static std::string schema(const Rule& rule, const Type& defaults);                 \
  }

using StringMap = std::map<std::string, std::string>;

MILLRACE_SCALAR_CODEC(bool);
MILLRACE_SCALAR_CODEC(std::uint32_t);  // a count
MILLRACE_SCALAR_CODEC(double);         // a share
MILLRACE_SCALAR_CODEC(std::uint64_t);  // a size in bytes
MILLRACE_SCALAR_CODEC(milliseconds);   // a time
MILLRACE_SCALAR_CODEC(std::string);    // a text, without control characters unless multiline
MILLRACE_SCALAR_CODEC(std::filesystem::path);  // a file, against the configuration's folder
MILLRACE_SCALAR_CODEC(Address);
MILLRACE_SCALAR_CODEC(Network);
MILLRACE_SCALAR_CODEC(PortRange);
MILLRACE_SCALAR_CODEC(Target);  // a TargetUrl, or a table of WeightedTarget
MILLRACE_SCALAR_CODEC(TargetUrl);
MILLRACE_SCALAR_CODEC(StatusRange);
MILLRACE_SCALAR_CODEC(HostPattern);
MILLRACE_SCALAR_CODEC(PathPattern);
MILLRACE_SCALAR_CODEC(HostPolicy);
MILLRACE_SCALAR_CODEC(AccessLog);
MILLRACE_SCALAR_CODEC(RequestBuffer);
MILLRACE_SCALAR_CODEC(StringMap);  // fields of a response
MILLRACE_SCALAR_CODEC(Command);
MILLRACE_SCALAR_CODEC(Variables);
MILLRACE_SCALAR_CODEC(Ready);
MILLRACE_SCALAR_CODEC(TextPatterns);
MILLRACE_SCALAR_CODEC(Template);  // the rule judges it with something in its places
MILLRACE_SCALAR_CODEC(Split);

#undef MILLRACE_SCALAR_CODEC

template <class E>
struct Choice {
  E value;
  std::string_view name;
  bool later = false;
};

/// The names of an enumeration: keys.cpp.
template <class E>
[[nodiscard]] std::span<const Choice<E>> choices();
// In balance_keys.cpp.
template <>
std::span<const Choice<Balance>> choices();
template <>
std::span<const Choice<Resolve>> choices();
// In keys.cpp, for route_keys.cpp.
template <>
std::span<const Choice<http::Method>> choices();

template <class E>
  requires std::is_enum_v<E>
struct Codec<E> {
  static void read(Reader& reader, const Value& value, const Rule&, E& out) {
    std::vector<std::string_view> names;
    for (const Choice<E>& choice : choices<E>()) {
      if (value.kind != Value::Kind::kString || value.text != choice.name) {
        if (!choice.later) names.push_back(choice.name);
        continue;
      }
      out = choice.value;
      if (choice.later)
        reader.error(value.at, quote(choice.name) + " is known but not supported by this version");
      return;
    }
    reader.error(value.at, "expected " + list(names) + ", got " + describe(value) +
                               did_you_mean(value.text, names));
  }

  static std::string text(const E& in) {
    for (const Choice<E>& choice : choices<E>()) {
      if (choice.value == in) return quote(choice.name);
    }
    return {};
  }

  static std::string schema(const Rule&, const E&) {
    std::string out;
    for (const Choice<E>& choice : choices<E>()) {
      if (!choice.later) out.append(out.empty() ? "" : ",").append(quote(choice.name));
    }
    return R"({"enum":[)" + out + "]}";
  }

 private:
  static std::string list(std::span<const std::string_view> names) {
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i != 0) out += i + 1 == names.size() ? " or " : ", ";
      out += quote(names[i]);
    }
    return out;
  }
};

// --- rows
// --------------------------------------------------------------------------------------------

template <class M>
struct MemberOf;
template <class S, class T>
struct MemberOf<T S::*> {
  using Struct = S;
  using Type = T;
};

template <class T>
struct Sections {
  static constexpr bool value = kSection<T>;
  static std::vector<std::string_view> children() {
    if constexpr (kSection<T>) return names_of<T>();
    return {};
  }
  static void print(const std::string& path, const T& in, std::string& out) {
    out.append("\n[").append(path).append("]\n");
    print_table(path, in, out);
  }
};

template <class T>
struct Sections<std::vector<T>> {
  static constexpr bool value = kSection<T>;
  static std::vector<std::string_view> children() { return {}; }
  static void print(const std::string& path, const std::vector<T>& in, std::string& out) {
    for (const T& item : in) {
      out.append("\n[[").append(path).append("]]\n");
      print_table(path, item, out);
    }
  }
};

template <class T>
struct Sections<std::map<std::string, T, std::less<>>> {
  static constexpr bool value = true;
  static std::vector<std::string_view> children() { return {}; }
  static void print(const std::string& path, const std::map<std::string, T, std::less<>>& in,
                    std::string& out) {
    const std::string prefix = path + ".";
    for (const auto& [name, item] : in)
      Sections<T>::print(std::string(prefix).append(name), item, out);
  }
};

/// The row of one member.
template <auto M>
constexpr auto key(std::string_view name, std::string_view doc, Rule rule = {}) {
  using S = typename MemberOf<decltype(M)>::Struct;
  using T = typename MemberOf<decltype(M)>::Type;
  Field<S> field{name, doc, rule};
  field.read = [](Reader& reader, const Value& value, const Rule& r, S& out) {
    Codec<T>::read(reader, value, r, out.*M);
  };
  field.schema = [](const Rule& r, const S& defaults) { return Codec<T>::schema(r, defaults.*M); };
  field.children = &Sections<T>::children;
  if constexpr (Sections<T>::value) {
    field.sections = [](const std::string& path, const S& in, std::string& out) {
      Sections<T>::print(path, in.*M, out);
    };
  } else {
    field.text = [](const S& in) { return Codec<T>::text(in.*M); };
  }
  return field;
}

/// A key of the contract that a later version brings.
template <class S>
constexpr Field<S> later(std::string_view name) {
  Field<S> field{name, {}, {}};
  field.later = true;
  return field;
}

}  // namespace millrace::config
