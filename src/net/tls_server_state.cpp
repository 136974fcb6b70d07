#include "net/tls_server_state.hpp"

#include <array>

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

namespace millrace::net {
namespace {

using detail::SslContext;
using Error = std::unexpected<std::string>;
using Owner = std::shared_ptr<TlsServerState>;

void free_owner(void*, void* data, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Owner*>(data);
}

/// Where a context keeps its Group.
int group_index() {
  static const int kIndex = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return kIndex;
}
/// Where the default group's context keeps the state alive.
int owner_index() {
  static const int kIndex = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_owner);
  return kIndex;
}

// Who was let in here is let in again by the ticket alone, so a ticket must not come from where
// others are let in; nor from where other names are served, since the client would believe that it
// talks to one of those (the "virtual host confusion" attacks). Not of the certificates themselves:
// a renewal keeps the tickets.
void set_session_scope(SSL_CTX* context, const TlsServerState& state,
                       const TlsServer::Options& options) {
  std::string text = "millrace\n" + std::to_string(static_cast<int>(options.client_auth));
  for (const TlsCertificate& c : state.certificates) {
    for (const std::string& name : c.names.exact()) text.append("\n").append(name);
    for (const std::string& parent : c.names.wildcards()) text.append("\n*").append(parent);
    for (const std::string& address : c.names.addresses()) text.append("\n@").append(address);
  }
  const auto* authorities = ::SSL_CTX_get_cert_store(context);
  const STACK_OF(X509_OBJECT)* objects = ::X509_STORE_get0_objects(authorities);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    const X509* one = ::X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    if (one == nullptr || ::X509_digest(one, ::EVP_sha256(), digest.data(), nullptr) != 1) continue;
    text.append("\n#").append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  std::array<unsigned char, SHA256_DIGEST_LENGTH> id{};
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), id.data());
  ::SSL_CTX_set_session_id_context(context, id.data(), id.size());
}

std::expected<void, std::string> set_client_auth(SSL_CTX* context,
                                                 const TlsServer::Options& options) {
  if (options.client_auth == ClientAuth::kNone) return {};
  const std::string& file = options.client_ca_file;
  constexpr std::string_view kFailed = "cannot load the certificate authorities";
  STACK_OF(X509_NAME)* names = ::SSL_load_client_CA_file(file.c_str());
  if (names == nullptr || ::SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return Error(detail::file_error(file, kFailed));
  }
  ::SSL_CTX_set_client_CA_list(context, names);
  const int required =
      options.client_auth == ClientAuth::kRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | required, nullptr);
  return {};
}

// OpenSSL's own list ends in finite fields of up to 8192 bits: a client that asks for one makes us
// compute for tens of milliseconds. Every client knows one of these.
constexpr const char* kGroups = "X25519:P-256:P-384";

std::expected<SslContext, std::string> make_context(const TlsServerState& state,
                                                    const TlsServer::Options& options) {
  SslContext context = detail::make_ssl_context(::TLS_server_method());
  if (context == nullptr) return Error("TLS: " + detail::take_openssl_error());
  ::SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  ::SSL_CTX_set1_groups_list(context.get(), kGroups);
  ::SSL_CTX_set_num_tickets(context.get(), 1);  // two is OpenSSL's default: twice the work
  ::SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  if (auto set = set_client_auth(context.get(), options); !set) return Error(set.error());
  set_session_scope(context.get(), state, options);
  set_tls_callbacks(context.get());
  if (state.key_log != nullptr) set_key_log_callback(context.get());
  if (state.tickets != nullptr) set_ticket_callback(context.get());
  return context;
}

}  // namespace

const TlsServerState::Group& TlsServerState::group_of(const SSL* ssl) noexcept {
  return *static_cast<const Group*>(::SSL_CTX_get_ex_data(::SSL_get_SSL_CTX(ssl), group_index()));
}

const TlsCertificate* TlsServerState::shown_by(SSL* ssl) noexcept {
  const X509* leaf = ::SSL_get_certificate(ssl);
  for (const TlsCertificate* one : group_of(ssl).certificates)
    if (one->leaf.get() == leaf) return one;
  return nullptr;
}

std::shared_ptr<const TlsServerState> TlsServerState::keep(const SSL* ssl) {
  SSL_CTX* owner = of(ssl).groups.front()->context;
  return *static_cast<Owner*>(::SSL_CTX_get_ex_data(owner, owner_index()));
}

std::expected<SslContext, std::string> TlsServerState::build(std::shared_ptr<TlsServerState> state,
                                                             const TlsServer::Options& options) {
  SslContext first;
  for (const CertificateChoice::Group& indices : state->choice->groups()) {
    auto context = make_context(*state, options);
    if (!context) return context;
    auto group = std::make_unique<Group>(Group{.state = state.get(), .context = context->get()});
    for (const std::size_t i : indices) {
      if (auto used = state->certificates[i].use_in(context->get()); !used)
        return Error(options.certificates[i].certificate_file +
                     ": cannot use the certificate: " + used.error());
      group->certificates.push_back(&state->certificates[i]);
    }
    ::SSL_CTX_set_ex_data(context->get(), group_index(), group.get());
    state->groups.push_back(std::move(group));
    if (first == nullptr)
      first = std::move(*context);
    else
      state->owned.push_back(std::move(*context));
  }
  ::SSL_CTX_set_ex_data(first.get(), owner_index(), new Owner(std::move(state)));
  return first;
}

}  // namespace millrace::net
