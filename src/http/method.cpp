#include "http/method.hpp"

#include <array>

namespace millrace::http {
namespace {

constexpr std::array<std::string_view, 9> kNames{"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                 "CONNECT", "OPTIONS", "TRACE", "PATCH"};
static_assert(kNames.size() == static_cast<std::size_t>(Method::kOther));

}  // namespace

Method parse_method(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == text) return static_cast<Method>(i);
  return Method::kOther;
}

std::string_view method_name(Method method) noexcept {
  const auto index = static_cast<std::size_t>(method);
  return index < kNames.size() ? kNames[index] : std::string_view{};
}

}  // namespace millrace::http
