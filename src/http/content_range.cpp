#include "http/content_range.hpp"

#include "http/ascii.hpp"

namespace millrace::http {

std::optional<ContentRange> parse_content_range(std::string_view value) noexcept {
  constexpr std::string_view kUnit = "bytes ";
  value = trim_ows(value);
  if (!istarts_with(value, kUnit)) return std::nullopt;
  value.remove_prefix(kUnit.size());
  const std::size_t dash = value.find('-');
  const std::size_t slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash)
    return std::nullopt;
  const auto first = parse_decimal(value.substr(0, dash));
  const auto last = parse_decimal(value.substr(dash + 1, slash - dash - 1));
  const std::string_view total = value.substr(slash + 1);
  if (!first || !last || *first > *last) return std::nullopt;
  ContentRange range{.first = *first, .last = *last, .total = parse_decimal(total)};
  if (!range.total && total != "*") return std::nullopt;
  if (range.total && *range.total <= *last) return std::nullopt;
  return range;
}

}  // namespace millrace::http
