#include "proxy/request_key.hpp"

#include "http/ascii.hpp"
#include "proxy/random.hpp"

#include <algorithm>

namespace millrace::proxy {
namespace {

std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return mix_bits(hash);
}

std::string_view text_of(const RequestKey& key, const Exchange& exchange) noexcept {
  switch (key.from) {
    case RequestKey::From::kPath:
      return exchange.request.path;
    case RequestKey::From::kHeader: {
      // Over HTTP/2 there is no Host field.
      if (http::iequals(key.name, "host")) return exchange.request.authority;
      const http::Field* field = exchange.request.fields.find(key.name);
      return field == nullptr ? std::string_view() : field->value;
    }
    case RequestKey::From::kCookie:
      return cookie_of(exchange.request.fields, key.name);
    case RequestKey::From::kAddress:
      break;
  }
  return exchange.peer.address;
}

}  // namespace

std::optional<std::uint64_t> key_of(const RequestKey& key, const Exchange& exchange) {
  const std::string_view text = text_of(key, exchange);
  if (text.empty()) return std::nullopt;
  return hash_of(text);
}

std::string_view cookie_of(const http::Fields& fields, std::string_view name) noexcept {
  for (const http::Field& field : fields) {
    if (field.id != http::FieldId::kCookie) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      std::string_view pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      while (pair.starts_with(' ')) pair.remove_prefix(1);
      const std::size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name)
        return pair.substr(equals + 1);
    }
  }
  return {};
}

}  // namespace millrace::proxy
