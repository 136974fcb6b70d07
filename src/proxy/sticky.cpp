#include "proxy/sticky.hpp"

#include <array>
#include <random>

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace millrace::proxy {

std::string sticky_token(std::string_view secret, std::string_view seat) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(seat.data()), seat.size(), digest.data(), &size);
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < size / 2; ++i) {
    out += kDigits[digest[i] >> 4];
    out += kDigits[digest[i] & 15];
  }
  return out;
}

std::string sticky_field(const StickyOptions& options, std::string_view token, bool https) {
  std::string out = options.cookie;
  out.append("=").append(token).append("; Path=/; HttpOnly; SameSite=Lax");
  if (options.ttl) out.append("; Max-Age=").append(std::to_string(options.ttl->count()));
  if (https) out.append("; Secure");
  return out;
}

std::string random_secret() {
  std::random_device device;  // getrandom(2)
  std::string out;
  for (int i = 0; i < 32; ++i) out += static_cast<char>(device() & 0xff);
  return out;
}

}  // namespace millrace::proxy
