// The parameters of a query (application/x-www-form-urlencoded): "a=1&b=x+y&a=%20".
//
// Ownership: values that needed no decoding are views of the query that was parsed, which must
// outlive the object; decoded ones live in it. Thread rule: one thread at a time.
#pragma once

#include "base/error.hpp"
#include "http/text_arena.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/container/small_vector.hpp>

namespace millrace::http {

/// More parameters than this are kBadParameter: nothing of ours takes so many, and lookups are
/// linear.
inline constexpr std::size_t kParametersMax = 1000;

class Query {
 public:
  struct Parameter {
    std::string_view name;
    std::string_view value;
  };

  Query() = default;

  /// Splits at '&' and the first '=' of each piece, then decodes '+' and percent escapes. Empty
  /// pieces are skipped; a piece without '=' is a name with an empty value. Error: kBadParameter
  /// for a broken escape.
  [[nodiscard]] static Result<Query> parse(std::string_view query);

  /// The same for whoever only looks: a name or value with a broken escape stands for itself, and
  /// there may be any number.
  [[nodiscard]] static Query parse_leniently(std::string_view query);

  /// In the order of the query, duplicates included.
  [[nodiscard]] auto begin() const noexcept { return parameters_.begin(); }
  [[nodiscard]] auto end() const noexcept { return parameters_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return parameters_.size(); }

  /// The first value of `name`; names are case-sensitive.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
  [[nodiscard]] bool has(std::string_view name) const noexcept { return get(name).has_value(); }

  // What a handler needs. Error of all: kBadParameter. A parameter that stands twice is one, too:
  // nobody can tell which was meant.

  /// The value, which must be there and not be empty.
  [[nodiscard]] Result<std::string_view> required(std::string_view name) const noexcept;
  /// A decimal number within [min, max]; `otherwise` where the parameter is absent.
  [[nodiscard]] Result<std::uint64_t> uint_or(std::string_view name, std::uint64_t otherwise,
                                              std::uint64_t min = 0,
                                              std::uint64_t max = UINT64_MAX) const noexcept;
  /// The same without a default.
  [[nodiscard]] Result<std::uint64_t> uint(std::string_view name, std::uint64_t min = 0,
                                           std::uint64_t max = UINT64_MAX) const noexcept;

 private:
  template <class Take>
  static bool for_each_piece(std::string_view query, Take take);
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept;

  boost::container::small_vector<Parameter, 8> parameters_;
  TextArena arena_;
};

}  // namespace millrace::http
