// Request methods (RFC 9110 section 9).
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::http {

enum class Method : std::uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kConnect,
  kOptions,
  kTrace,
  kPatch,
  kOther
};

/// Case-sensitive, as the RFC has it: "get" is kOther.
[[nodiscard]] Method parse_method(std::string_view text) noexcept;
[[nodiscard]] std::string_view method_name(Method method) noexcept;  ///< empty for kOther

/// May be sent twice with the effect of once (RFC 9110 section 9.2.2).
[[nodiscard]] constexpr bool is_idempotent(Method m) noexcept {
  return m == Method::kGet || m == Method::kHead || m == Method::kPut || m == Method::kDelete ||
         m == Method::kOptions || m == Method::kTrace;
}
[[nodiscard]] constexpr bool is_safe(Method m) noexcept {
  return m == Method::kGet || m == Method::kHead || m == Method::kOptions || m == Method::kTrace;
}

}  // namespace millrace::http
