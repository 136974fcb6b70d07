#include "http/query.hpp"

#include "http/ascii.hpp"

#include <algorithm>

namespace millrace::http {
namespace {

// nullopt for a broken escape.
std::optional<std::string_view> decode(std::string_view text, TextArena& arena) {
  if (text.find_first_of("%+") == std::string_view::npos) return text;
  char* const out = arena.reserve(text.size());
  char* to = out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      *to++ = text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    *to++ = static_cast<char>(high << 4 | low);
    i += 2;
  }
  return std::string_view(out, static_cast<std::size_t>(to - out));
}

}  // namespace

/// Calls `take(name, value)`, neither decoded, until it says false. False then, too.
template <class Take>
bool Query::for_each_piece(std::string_view query, Take take) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view piece = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (piece.empty()) continue;
    const std::size_t equals = std::min(piece.find('='), piece.size());
    if (!take(piece.substr(0, equals), piece.substr(std::min(equals + 1, piece.size()))))
      return false;
  }
  return true;
}

Result<Query> Query::parse(std::string_view query) {
  Query out;
  const bool all = for_each_piece(query, [&](std::string_view raw_name, std::string_view raw) {
    if (out.parameters_.size() == kParametersMax) return false;
    const auto name = decode(raw_name, out.arena_);
    const auto value = decode(raw, out.arena_);
    if (name && value) out.parameters_.push_back({*name, *value});
    return name && value;
  });
  if (!all) return fail(Errc::kBadParameter);
  return out;
}

Query Query::parse_leniently(std::string_view query) {
  Query out;
  (void)for_each_piece(query, [&](std::string_view name, std::string_view value) {
    out.parameters_.push_back(
        {decode(name, out.arena_).value_or(name), decode(value, out.arena_).value_or(value)});
    return true;
  });
  return out;
}

std::optional<std::string_view> Query::get(std::string_view name) const noexcept {
  const auto at = std::ranges::find(parameters_, name, &Parameter::name);
  if (at == parameters_.end()) return std::nullopt;
  return at->value;
}

std::size_t Query::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(std::ranges::count(parameters_, name, &Parameter::name));
}

Result<std::string_view> Query::required(std::string_view name) const noexcept {
  const std::optional<std::string_view> value = get(name);
  if (!value || value->empty() || count(name) != 1) return fail(Errc::kBadParameter);
  return *value;
}

Result<std::uint64_t> Query::uint(std::string_view name, std::uint64_t min,
                                  std::uint64_t max) const noexcept {
  const Result<std::string_view> text = required(name);
  if (!text) return fail(text.error());
  const std::optional<std::uint64_t> value = parse_decimal(*text);
  if (!value || *value < min || *value > max) return fail(Errc::kBadParameter);
  return *value;
}

Result<std::uint64_t> Query::uint_or(std::string_view name, std::uint64_t otherwise,
                                     std::uint64_t min, std::uint64_t max) const noexcept {
  if (!has(name)) return otherwise;
  return uint(name, min, max);
}

}  // namespace millrace::http
