// Base64 with padding (RFC 4648 section 4).
//
// Thread rule: pure function.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace::http {

[[nodiscard]] std::string base64(std::span<const unsigned char> bytes);
[[nodiscard]] inline std::string base64(std::string_view text) {
  return base64(std::span(reinterpret_cast<const unsigned char*>(text.data()), text.size()));
}

}  // namespace millrace::http
