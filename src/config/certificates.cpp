#include "config/certificates.hpp"

#include "config/units.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace millrace::config {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
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

}  // namespace

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

std::string authorities_fault(const std::filesystem::path& file) {
  return certificate_fault(file);
}

}  // namespace millrace::config
