// The parameters of a request, with errors that say what was expected.
//
// Ownership: refers to the exchange, whose query it parses. Thread rule: the exchange's io thread.
#pragma once

#include "http/query.hpp"
#include "millrace/exchange.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace millrace::endpoints {

class Parameters {
 public:
  /// Error of all: kBadParameter, with the parameter and what it takes in `exchange.detail`.
  [[nodiscard]] static Result<Parameters> parse(Exchange& exchange);

  [[nodiscard]] bool has(std::string_view name) const noexcept { return query_.has(name); }
  /// The value, which must be there.
  [[nodiscard]] Result<std::string_view> text(std::string_view name) const;
  /// A number within [min, max], which must be there.
  [[nodiscard]] Result<std::uint64_t> number(std::string_view name, std::uint64_t min,
                                             std::uint64_t max) const;
  [[nodiscard]] Result<std::uint64_t> number_or(std::string_view name, std::uint64_t otherwise,
                                                std::uint64_t min, std::uint64_t max) const;
  /// The position of the value in `choices`; nullopt: the parameter is absent.
  [[nodiscard]] Result<std::optional<std::size_t>> choice(
      std::string_view name, std::span<const std::string_view> choices) const;

 private:
  Parameters(Exchange& exchange, http::Query query)
      : exchange_(&exchange), query_(std::move(query)) {}
  [[nodiscard]] std::unexpected<Error> wrong_number(std::string_view name, std::uint64_t min,
                                                    std::uint64_t max) const;

  Exchange* exchange_;
  http::Query query_;
};

}  // namespace millrace::endpoints
