#include "net/tls_tickets.hpp"

#include <algorithm>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace millrace::net {
namespace {

template <std::size_t N>
void fill(std::array<unsigned char, N>& bytes) {
  if (::RAND_priv_bytes(bytes.data(), static_cast<int>(N)) != 1)
    throw std::runtime_error("no random bytes for the keys of session tickets");
}

}  // namespace

TicketKeys::Key::Key() {
  fill(name);
  fill(cipher);
  fill(mac);
}

TicketKeys::Key::~Key() {
  ::OPENSSL_cleanse(cipher.data(), cipher.size());
  ::OPENSSL_cleanse(mac.data(), mac.size());
}

TicketKeys::TicketKeys(Options options)
    : options_(std::move(options)),
      rotated_(options_.now()),
      newest_(std::make_shared<const Key>()) {}

void TicketKeys::rotate_if_due() {
  const auto now = options_.now();
  const auto age = now - rotated_;
  if (age < options_.period) return;
  // Asleep for two periods: the key that would have been the previous one was never used.
  previous_ = age < 2 * options_.period ? newest_ : nullptr;
  newest_ = std::make_shared<const Key>();
  rotated_ = now;
}

std::shared_ptr<const TicketKeys::Key> TicketKeys::newest() {
  const std::lock_guard lock(mutex_);
  rotate_if_due();
  return newest_;
}

std::shared_ptr<const TicketKeys::Key> TicketKeys::find(
    std::span<const unsigned char, kNameBytes> name) {
  const std::lock_guard lock(mutex_);
  rotate_if_due();
  for (const auto& key : {newest_, previous_})
    if (key != nullptr && std::ranges::equal(key->name, name)) return key;
  return nullptr;
}

void TicketKeys::tend() {
  const std::lock_guard lock(mutex_);
  rotate_if_due();
}

}  // namespace millrace::net
