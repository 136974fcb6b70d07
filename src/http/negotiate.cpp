#include "http/negotiate.hpp"

#include "http/ascii.hpp"

namespace millrace::http {
namespace {

// The text before the first `separator` that stands outside quotes; takes both off `rest`.
std::string_view next_part(std::string_view& rest, char separator) noexcept {
  bool quoted = false;
  std::size_t i = 0;
  for (; i < rest.size(); ++i) {
    if (quoted && rest[i] == '\\') {
      ++i;
      continue;
    }
    if (rest[i] == '"') quoted = !quoted;
    if (!quoted && rest[i] == separator) break;
  }
  const std::string_view part = trim_ows(rest.substr(0, i));
  rest.remove_prefix(i < rest.size() ? i + 1 : rest.size());
  return part;
}

// ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ); -1 for anything else.
int parse_weight(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return -1;
  if (text.size() > 1 && text[1] != '.') return -1;
  int weight = (text[0] - '0') * 1000;
  int unit = 100;
  for (const char c : text.substr(text.size() > 1 ? 2 : 1)) {
    if (!is(c, kDigit)) return -1;
    weight += (c - '0') * unit;
    unit /= 10;
  }
  return weight <= kWeightMax ? weight : -1;
}

struct Weighted {
  std::string_view name;
  int weight = kWeightMax;
};

// One element without its parameters; a negative weight where it is malformed.
Weighted parse_element(std::string_view element) noexcept {
  Weighted one{.name = next_part(element, ';')};
  while (!element.empty()) {
    const std::string_view parameter = next_part(element, ';');
    if (istarts_with(parameter, "q=")) one.weight = parse_weight(parameter.substr(2));
  }
  return one;
}

template <class Visit>
void for_each_weighted(std::string_view list, Visit&& visit) noexcept {
  while (!list.empty()) {
    const std::string_view element = next_part(list, ',');
    if (element.empty()) continue;
    const Weighted one = parse_element(element);
    if (one.weight >= 0 && !one.name.empty()) visit(one);
  }
}

enum Specificity : int { kNone, kAnything, kAnySubtype, kExact };

// How closely `range` covers `type`.
Specificity covers(std::string_view range, std::string_view type) noexcept {
  if (iequals(range, type)) return kExact;
  if (range == "*/*" || range == "*") return kAnything;
  const std::size_t slash = type.find('/');
  if (range.ends_with("/*") && iequals(range.substr(0, range.size() - 2), type.substr(0, slash)))
    return kAnySubtype;
  return kNone;
}

bool is_coding(std::string_view name, std::string_view coding) noexcept {
  if (iequals(name, coding)) return true;
  return (iequals(name, "x-gzip") && iequals(coding, "gzip")) ||
         (iequals(name, "gzip") && iequals(coding, "x-gzip"));
}

}  // namespace

int media_weight(std::string_view accept, std::string_view type) noexcept {
  bool any = false;
  int weight = 0;
  Specificity closest = kNone;
  for_each_weighted(accept, [&](const Weighted& range) {
    any = true;
    const Specificity here = covers(range.name, type);
    if (here <= closest) return;
    closest = here;
    weight = range.weight;
  });
  return any ? weight : kWeightMax;
}

std::optional<std::size_t> best_of(std::string_view accept,
                                   std::span<const std::string_view> offered) noexcept {
  std::optional<std::size_t> best;
  int most = 0;
  for (std::size_t i = 0; i < offered.size(); ++i) {
    const int weight = media_weight(accept, offered[i]);
    if (weight <= most) continue;
    most = weight;
    best = i;
  }
  return best;
}

int encoding_weight(std::string_view accept_encoding, std::string_view coding) noexcept {
  std::optional<int> named;
  std::optional<int> star;
  for_each_weighted(accept_encoding, [&](const Weighted& one) {
    if (one.name == "*") star = star.value_or(one.weight);
    if (is_coding(one.name, coding)) named = named.value_or(one.weight);
  });
  if (named) return *named;
  if (!iequals(coding, "identity")) return star.value_or(0);
  return star && *star == 0 ? 0 : 1;
}

bool accepts_encoding(std::string_view accept_encoding, std::string_view coding) noexcept {
  return encoding_weight(accept_encoding, coding) > 0;
}

std::optional<std::size_t> best_encoding(std::string_view accept_encoding,
                                         std::span<const std::string_view> offered) noexcept {
  std::optional<std::size_t> best;
  int most = 0;
  for (std::size_t i = 0; i < offered.size(); ++i) {
    const int weight = encoding_weight(accept_encoding, offered[i]);
    if (weight <= most) continue;
    most = weight;
    best = i;
  }
  // Named above all offers, identity is what the client asked for.
  if (best && most < encoding_weight(accept_encoding, "identity")) return std::nullopt;
  return best;
}

}  // namespace millrace::http
