// Whole small answers, and the ones every endpoint gives alike: 404, 405, OPTIONS.
//
// Thread rule: the exchange's io thread.
#pragma once

#include "http/method.hpp"
#include "millrace/exchange.hpp"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace millrace::endpoints {

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

/// A set of methods. GET brings HEAD with it, and OPTIONS is always there.
class Methods {
 public:
  constexpr Methods(std::initializer_list<http::Method> methods) noexcept {
    bits_ = bit(http::Method::kOptions);
    for (const http::Method m : methods) {
      bits_ |= bit(m);
      if (m == http::Method::kGet) bits_ |= bit(http::Method::kHead);
    }
  }
  [[nodiscard]] constexpr bool has(http::Method m) const noexcept { return (bits_ & bit(m)) != 0; }
  /// "GET, HEAD, OPTIONS"
  [[nodiscard]] std::string allow() const;

 private:
  static constexpr std::uint32_t bit(http::Method m) noexcept {
    return 1U << static_cast<unsigned>(m);
  }
  std::uint32_t bits_ = 0;
};

/// Respond with 200 and a whole body of at most Exchange::kRespondBytesMax.
void respond_text(Exchange& exchange, std::string_view type, std::string_view body);

/// Answers OPTIONS with 204 and any other method with 405, both with Allow.
[[nodiscard]] Task<Result<void>> answer_method(Exchange& exchange, Methods methods);

/// A task that has failed, with a sentence for the client.
[[nodiscard]] Task<Result<void>> fail_task(Exchange& exchange, Errc errc, std::string detail = {});

/// A task that has nothing left to do.
[[nodiscard]] Task<Result<void>> done_task();

/// One thing that an endpoint of class Self does.
template <class Self>
struct Operation {
  std::string_view path;  ///< below the route's fixed part
  Methods methods;
  Task<Result<void>> (Self::*run)(Exchange& exchange);
};

/// Runs the operation at exchange.route_path.
template <class Self>
[[nodiscard]] Task<Result<void>> dispatch(
    Self& self, std::type_identity_t<std::span<const Operation<Self>>> operations,
    Exchange& exchange) {
  for (const Operation<Self>& op : operations) {
    if (op.path != exchange.route_path) continue;
    const http::Method method = exchange.request.method;
    if (method == http::Method::kOptions || !op.methods.has(method))
      return answer_method(exchange, op.methods);
    return (self.*op.run)(exchange);
  }
  std::string known;
  for (const Operation<Self>& op : operations)
    known.append(known.empty() ? "" : ", ").append(op.path.empty() ? "/" : op.path);
  return fail_task(exchange, Errc::kNotFound, "This endpoint has: " + known + ".");
}

}  // namespace millrace::endpoints
