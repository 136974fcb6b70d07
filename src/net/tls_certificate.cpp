#include "net/tls_certificate.hpp"

#include "config/ocsp.hpp"

#include <fstream>
#include <iterator>

#include <openssl/err.h>
#include <openssl/pem.h>

namespace millrace::net {
namespace {

using detail::BioPtr;
using detail::CertificatePtr;
using Error = std::unexpected<std::string>;

std::expected<void, std::string> load_chain(const std::string& file, TlsCertificate& into) {
  constexpr std::string_view kFailed = "cannot load the certificate";
  const BioPtr bio(::BIO_new_file(file.c_str(), "r"));
  if (bio == nullptr) return Error(detail::file_error(file, kFailed));
  into.leaf.reset(::PEM_read_bio_X509_AUX(bio.get(), nullptr, detail::no_pass_phrase, nullptr));
  if (into.leaf == nullptr) return Error(detail::file_error(file, kFailed));
  while (
      CertificatePtr next{::PEM_read_bio_X509(bio.get(), nullptr, detail::no_pass_phrase, nullptr)})
    into.chain.push_back(std::move(next));
  const bool ended = ERR_GET_REASON(::ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!ended) return Error(detail::file_error(file, kFailed));
  ::ERR_clear_error();
  return {};
}

std::expected<void, std::string> load_key(const TlsServer::Certificate& files,
                                          TlsCertificate& into) {
  const BioPtr bio(::BIO_new_file(files.key_file.c_str(), "r"));
  if (bio != nullptr)
    into.key.reset(::PEM_read_bio_PrivateKey(bio.get(), nullptr, detail::no_pass_phrase, nullptr));
  if (into.key == nullptr)
    return Error(detail::file_error(files.key_file, "cannot load the private key"));
  if (::X509_check_private_key(into.leaf.get(), into.key.get()) != 1) {
    ::ERR_clear_error();
    return Error(files.key_file + ": is not the key of " + files.certificate_file);
  }
  return {};
}

std::expected<void, std::string> load_ocsp(const std::string& file, TlsCertificate& into) {
  if (file.empty()) return {};
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error(file + ": cannot be read");
  into.ocsp.assign(std::istreambuf_iterator<char>(in), {});
  const X509* issuer = into.chain.empty() ? nullptr : into.chain.front().get();
  const auto answer = config::parse_ocsp(into.ocsp, into.leaf.get(), issuer);
  if (!answer) return Error(file + ": " + answer.error());
  into.ocsp_until = answer->valid_until;
  return {};
}

}  // namespace

int TlsCertificate::key_kind() const noexcept {
  return ::EVP_PKEY_get_base_id(key.get());
}

std::string_view TlsCertificate::staple(std::time_t now) const noexcept {
  return ocsp_until == 0 || now < ocsp_until ? std::string_view(ocsp) : std::string_view();
}

std::expected<TlsCertificate, std::string> TlsCertificate::load(
    const TlsServer::Certificate& files) {
  ::ERR_clear_error();
  TlsCertificate out;
  if (auto loaded = load_chain(files.certificate_file, out); !loaded) return Error(loaded.error());
  if (auto loaded = load_key(files, out); !loaded) return Error(loaded.error());
  if (auto loaded = load_ocsp(files.ocsp_file, out); !loaded) return Error(loaded.error());
  out.names = config::CertificateNames(out.leaf.get());
  return out;
}

std::expected<void, std::string> TlsCertificate::use_in(SSL_CTX* context) const {
  using Stack =
      std::unique_ptr<STACK_OF(X509), decltype([](STACK_OF(X509) * s) { sk_X509_free(s); })>;
  const Stack stack(sk_X509_new_null());
  for (const CertificatePtr& one : chain) sk_X509_push(stack.get(), one.get());
  constexpr int kReplace = 1;
  if (::SSL_CTX_use_cert_and_key(context, leaf.get(), key.get(), stack.get(), kReplace) == 1)
    return {};
  return Error(detail::take_openssl_error());
}

}  // namespace millrace::net
