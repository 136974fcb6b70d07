#include "endpoints/parameters.hpp"

namespace millrace::endpoints {

Result<Parameters> Parameters::parse(Exchange& exchange) {
  Result<http::Query> query = http::Query::parse(exchange.request.query);
  if (!query) {
    exchange.detail = "The query is malformed: a percent sign must be followed by two digits.";
    return fail(query.error());
  }
  return Parameters(exchange, std::move(*query));
}

Result<std::string_view> Parameters::text(std::string_view name) const {
  const Result<std::string_view> value = query_.required(name);
  if (!value) exchange_->detail = "The parameter " + std::string(name) + " must be given once.";
  return value;
}

std::unexpected<Error> Parameters::wrong_number(std::string_view name, std::uint64_t min,
                                                std::uint64_t max) const {
  exchange_->detail = "The parameter " + std::string(name) + " must be a number from " +
                      std::to_string(min) + " to " + std::to_string(max) + ".";
  return fail(Errc::kBadParameter);
}

Result<std::uint64_t> Parameters::number(std::string_view name, std::uint64_t min,
                                         std::uint64_t max) const {
  const Result<std::uint64_t> value = query_.uint(name, min, max);
  if (!value) return wrong_number(name, min, max);
  return value;
}

Result<std::uint64_t> Parameters::number_or(std::string_view name, std::uint64_t otherwise,
                                            std::uint64_t min, std::uint64_t max) const {
  const Result<std::uint64_t> value = query_.uint_or(name, otherwise, min, max);
  if (!value) return wrong_number(name, min, max);
  return value;
}

Result<std::optional<std::size_t>> Parameters::choice(
    std::string_view name, std::span<const std::string_view> choices) const {
  if (!has(name)) return std::nullopt;
  const Result<std::string_view> value = query_.required(name);
  std::string list;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (value && *value == choices[i]) return i;
    list.append(i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ").append(choices[i]);
  }
  exchange_->detail = "The parameter " + std::string(name) + " must be " + list + ".";
  return fail(Errc::kBadParameter);
}

}  // namespace millrace::endpoints
