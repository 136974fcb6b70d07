#include "http/websocket.hpp"

#include "http/base64.hpp"

#include <array>
#include <span>

#include <openssl/evp.h>
#include <openssl/rand.h>

namespace millrace::http {

std::string make_websocket_key() {
  std::array<unsigned char, 16> bytes{};
  ::RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  return base64(bytes);
}

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  ::EVP_Digest(text.data(), text.size(), digest.data(), &size, ::EVP_sha1(), nullptr);
  return base64(std::span(digest).first(size));
}

}  // namespace millrace::http
