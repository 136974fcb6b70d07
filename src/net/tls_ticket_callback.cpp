#include "net/tls_server_state.hpp"

#include <cstring>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

namespace millrace::net {
namespace {

// What SSL_CTX_set_tlsext_ticket_key_evp_cb wants to hear.
enum Answer : int { kFailed = -1, kNoTicket = 0, kUse = 1, kUseAndRenew = 2 };

/// Looked up once: OpenSSL's own lookup by name takes locks that all threads share.
const EVP_CIPHER* cipher() {
  static const EVP_CIPHER* const kCipher = ::EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return kCipher;
}

bool set_mac(EVP_MAC_CTX* mac, const TicketKeys::Key& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[]{
      ::OSSL_PARAM_construct_octet_string(
          OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key.mac.data()), key.mac.size()),
      ::OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      ::OSSL_PARAM_construct_end()};
  return ::EVP_MAC_CTX_set_params(mac, params) == 1;
}

int seal(TicketKeys& keys, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* context,
         EVP_MAC_CTX* mac) {
  const auto key = keys.newest();
  if (::RAND_bytes(iv, ::EVP_CIPHER_get_iv_length(cipher())) != 1) return kFailed;
  if (::EVP_EncryptInit_ex2(context, cipher(), key->cipher.data(), iv, nullptr) != 1)
    return kFailed;
  if (!set_mac(mac, *key)) return kFailed;
  std::memcpy(name, key->name.data(), key->name.size());
  return kUse;
}

int open(TicketKeys& keys, bool single_use, const unsigned char* name, const unsigned char* iv,
         EVP_CIPHER_CTX* context, EVP_MAC_CTX* mac) {
  const auto key = keys.find(
      std::span<const unsigned char, TicketKeys::kNameBytes>(name, TicketKeys::kNameBytes));
  if (key == nullptr) return kNoTicket;
  if (::EVP_DecryptInit_ex2(context, cipher(), key->cipher.data(), iv, nullptr) != 1)
    return kFailed;
  if (!set_mac(mac, *key)) return kFailed;
  return single_use || key != keys.newest() ? kUseAndRenew : kUse;
}

int ticket_keys(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* context,
                EVP_MAC_CTX* mac, int sealing) {
  TicketKeys& keys = *TlsServerState::of(ssl).tickets;
  if (cipher() == nullptr) return kFailed;
  if (sealing != 0) return seal(keys, name, iv, context, mac);
  // RFC 8446 appendix C.4: clients use a ticket once, or could be told apart by it.
  const bool single_use = ::SSL_version(ssl) >= TLS1_3_VERSION;
  return open(keys, single_use, name, iv, context, mac);
}

}  // namespace

void set_ticket_callback(SSL_CTX* context) {
  ::SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_keys);
}

}  // namespace millrace::net
