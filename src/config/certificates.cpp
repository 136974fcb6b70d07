#include "config/certificates.hpp"

#include "config/asn1_time.hpp"
#include "config/certificate_names.hpp"
#include "config/certificate_warnings.hpp"
#include "config/freer.hpp"
#include "config/ocsp.hpp"
#include "config/units.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace millrace::config {
namespace {

using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

/// OpenSSL's error queue belongs to the thread: nothing of ours stays in it.
struct ErrorQueue {
  ~ErrorQueue() { ERR_clear_error(); }
};

Bio open(const std::filesystem::path& file, std::string& fault) {
  errno = 0;
  Bio bio(BIO_new_file(file.c_str(), "r"));
  if (!bio) fault = "cannot read " + quote(file.string()) + ": " + std::strerror(errno);
  if (bio && std::filesystem::is_directory(file)) {
    fault = quote(file.string()) + " is a directory";
    bio.reset();
  }
  return bio;
}

/// Called instead of a prompt on the terminal.
int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

/// All certificates of the file in its order; a damaged one behind good ones counts as a fault.
std::vector<Certificate> read_certificates(const std::filesystem::path& file, std::string& fault) {
  const ErrorQueue errors;
  std::vector<Certificate> out;
  const Bio bio = open(file, fault);
  if (!bio) return out;
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)})
    out.push_back(std::move(next));
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (out.empty()) {
    fault = quote(file.string()) + " holds no certificate in PEM form";
  } else if (!ended) {
    fault = "certificate " + std::to_string(out.size() + 1) + " of " + quote(file.string()) +
            " is damaged";
  }
  return out;
}

Key read_key(const std::filesystem::path& file, std::string& fault) {
  const ErrorQueue errors;
  const Bio bio = open(file, fault);
  if (!bio) return nullptr;
  bool asked = false;
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_passphrase, &asked));
  if (key) return key;
  fault = quote(file.string()) + (asked ? " is encrypted, expected a key without a passphrase"
                                        : " holds no private key in PEM form");
  return nullptr;
}

std::expected<OcspAnswer, std::string> read_ocsp(const std::filesystem::path& ocsp,
                                                 const std::filesystem::path& certificate) {
  std::string fault;
  const auto chain = read_certificates(certificate, fault);
  if (chain.empty()) return std::unexpected(fault);
  errno = 0;
  std::ifstream file(ocsp, std::ios::binary);
  const std::string der(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad())
    return std::unexpected("cannot read " + quote(ocsp.string()) + ": " + std::strerror(errno));
  const X509* issuer = chain.size() > 1 ? chain[1].get() : nullptr;
  auto answer = parse_ocsp(der, chain.front().get(), issuer);
  if (!answer) return std::unexpected(quote(ocsp.string()) + " " + answer.error());
  return answer;
}

std::string date_text(std::time_t time) {
  std::tm utc{};
  std::array<char, 16> text{};
  ::gmtime_r(&time, &utc);
  return {text.data(), std::strftime(text.data(), text.size(), "%F", &utc)};
}

/// What is wrong with the time between these two; empty: nothing.
std::string period_warning(std::time_t begins, std::time_t ends, std::time_t now) {
  constexpr std::time_t kDay = 24 * 3'600;
  if (now < begins) return "is not valid before " + date_text(begins);
  if (now >= ends) return "has expired on " + date_text(ends);
  const std::time_t days = (ends - now) / kDay;
  if (days >= kExpiryWarningDays) return {};
  return "expires on " + date_text(ends) + ", in " + std::to_string(days) +
         (days == 1 ? " day" : " days");
}

/// What decides who gets a certificate.
struct Use {
  CertificateNames names;
  int key_kind = 0;
};

bool contains(const std::vector<std::string>& list, const std::string& one) {
  return std::ranges::find(list, one) != list.end();
}

/// Every name of `later` is taken by an `earlier` one of the same kind of key.
bool is_hidden(const Use& later, std::span<const Use> earlier) {
  const auto taken = [&](const std::string& name, auto names) {
    return std::ranges::any_of(earlier, [&](const Use& e) {
      return e.key_kind == later.key_kind && contains((e.names.*names)(), name);
    });
  };
  return std::ranges::all_of(
             later.names.exact(),
             [&](const std::string& n) { return taken(n, &CertificateNames::exact); }) &&
         std::ranges::all_of(later.names.wildcards(), [&](const std::string& n) {
           return taken(n, &CertificateNames::wildcards);
         });
}

void warn_of_period(const std::string& key, const CertificateFiles& files,
                    std::span<const Certificate> chain, std::time_t now,
                    std::vector<CertificateWarning>& out) {
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::string fault = period_warning(unix_time(X509_get0_notBefore(chain[i].get())),
                                             unix_time(X509_get0_notAfter(chain[i].get())), now);
    if (fault.empty()) continue;
    const std::string which = i == 0 ? "" : "certificate " + std::to_string(i + 1) + " of ";
    out.push_back({key + ".certificate", which + quote(files.certificate.string()) + " " + fault});
  }
}

void warn_of_ocsp(const std::string& key, const CertificateFiles& files, std::time_t now,
                  std::vector<CertificateWarning>& out) {
  if (files.ocsp.empty()) return;
  const auto answer = read_ocsp(files.ocsp, files.certificate);
  if (!answer) return;
  const std::string file = quote(files.ocsp.string());
  if (answer->status == OcspAnswer::Status::kRevoked)
    out.push_back({key + ".ocsp", file + " says that the certificate is revoked"});
  if (answer->valid_until != 0 && now >= answer->valid_until)
    out.push_back({key + ".ocsp", file + " was good until " + date_text(answer->valid_until) +
                                      " and is not shown any more"});
}

}  // namespace

std::vector<CertificateWarning> certificate_warnings(const TlsListener& listener, std::time_t now) {
  std::vector<CertificateWarning> out;
  std::vector<Use> uses;
  for (std::size_t i = 0; i < listener.certificates.size(); ++i) {
    const CertificateFiles& files = listener.certificates[i];
    const std::string key = "certificates[" + std::to_string(i) + "]";
    std::string fault;
    const auto chain = read_certificates(files.certificate, fault);
    if (!fault.empty()) continue;
    warn_of_period(key, files, chain, now, out);
    warn_of_ocsp(key, files, now, out);
    Use use{CertificateNames(chain.front().get()),
            EVP_PKEY_get_base_id(X509_get0_pubkey(chain.front().get()))};
    if (!uses.empty() && is_hidden(use, uses))
      out.push_back({key, use.names.first().empty()
                              ? "is never used: it has no host name, and is not the first"
                              : "is never used: those before it have its names and its kind of "
                                "key"});
    uses.push_back(std::move(use));
  }
  return out;
}

std::string certificate_fault(const std::filesystem::path& certificate) {
  std::string fault;
  read_certificates(certificate, fault);
  return fault;
}

std::string key_fault(const std::filesystem::path& key) {
  std::string fault;
  read_key(key, fault);
  return fault;
}

bool key_matches(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  const ErrorQueue errors;
  std::string fault;
  const auto chain = read_certificates(certificate, fault);
  const Key own = read_key(key, fault);
  return fault.empty() && X509_check_private_key(chain.front().get(), own.get()) == 1;
}

std::string ocsp_fault(const std::filesystem::path& ocsp,
                       const std::filesystem::path& certificate) {
  const auto answer = read_ocsp(ocsp, certificate);
  return answer ? std::string() : answer.error();
}

std::string authorities_fault(const std::filesystem::path& file) {
  return certificate_fault(file);
}

}  // namespace millrace::config
