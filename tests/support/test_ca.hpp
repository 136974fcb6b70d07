// Certificates made at test time, by OpenSSL: an authority, and leaves that are good or bad in one
// way each.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

namespace millrace::test {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<&EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, OpensslFree<&X509_free>>;

/// A certificate and its key, in memory and as PEM files.
struct Identity {
  KeyPtr key;
  CertPtr certificate;
  std::string certificate_file;
  std::string key_file;
};

class TestCa {
 public:
  struct Leaf {
    std::string name = "DNS:origin.test";  ///< subjectAltName; empty: there is none
    std::string subject = "leaf";          ///< the common name
    long begins = -3600;                   ///< seconds from now
    long ends = 3600;
    bool self_signed = false;
    bool rsa = false;
  };

  TestCa()
      : folder_(std::filesystem::temp_directory_path() /
                ("millrace_ca_" + std::to_string(::getpid()) + "_" + std::to_string(count_++))) {
    std::filesystem::create_directories(folder_);
    root_.key = make_key(false);
    root_.certificate = make_certificate(root_, "CN=test authority", {}, nullptr, true);
    save(root_, "root");
  }
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;
  ~TestCa() { std::filesystem::remove_all(folder_); }

  [[nodiscard]] const Identity& root() const { return root_; }
  [[nodiscard]] std::filesystem::path folder() const { return folder_; }

  Identity issue(const Leaf& leaf) {
    Identity id;
    id.key = make_key(leaf.rsa);
    id.certificate = make_certificate(id, "CN=" + leaf.subject, leaf,
                                      leaf.self_signed ? nullptr : &root_, false);
    save(id, "leaf" + std::to_string(count_++));
    return id;
  }

 private:
  static KeyPtr make_key(bool rsa) {
    EVP_PKEY* key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    if (key == nullptr) throw std::runtime_error("cannot make a key");
    return KeyPtr(key);
  }

  static CertPtr make_certificate(const Identity& id, const std::string& subject, const Leaf& leaf,
                                  const Identity* issuer, bool authority) {
    CertPtr cert(X509_new());
    X509_set_version(cert.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), ++count_);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), leaf.begins);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), leaf.ends);
    X509_set_pubkey(cert.get(), id.key.get());
    X509_NAME* name = X509_get_subject_name(cert.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(subject.c_str()) + 3, -1, -1,
                               0);
    X509* signer = issuer != nullptr ? issuer->certificate.get() : cert.get();
    X509_set_issuer_name(cert.get(), X509_get_subject_name(signer));
    if (authority) add_extension(cert.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
    if (!authority && !leaf.name.empty())
      add_extension(cert.get(), signer, NID_subject_alt_name, leaf.name);
    if (X509_sign(cert.get(), (issuer != nullptr ? issuer->key : id.key).get(), EVP_sha256()) == 0)
      throw std::runtime_error("cannot sign a certificate");
    return cert;
  }

  static void add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    if (extension == nullptr) throw std::runtime_error("bad extension " + value);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
  }

  void save(Identity& id, const std::string& name) {
    id.certificate_file = folder_ / (name + ".pem");
    id.key_file = folder_ / (name + ".key");
    std::FILE* file = std::fopen(id.certificate_file.c_str(), "w");
    PEM_write_X509(file, id.certificate.get());
    std::fclose(file);
    file = std::fopen(id.key_file.c_str(), "w");
    PEM_write_PrivateKey(file, id.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
  }

  static inline int count_ = 0;
  const std::filesystem::path folder_;
  Identity root_;
};

/// The server's end of a blocking TLS connection over `fd`, for the scripts of a RawOrigin.
class BlockingTls {
 public:
  BlockingTls(int fd, const Identity& id) : context_(SSL_CTX_new(TLS_server_method())), fd_(fd) {
    SSL_CTX_use_certificate(context_.get(), id.certificate.get());
    SSL_CTX_use_PrivateKey(context_.get(), id.key.get());
  }
  /// To be changed before accept().
  SSL_CTX* context() { return context_.get(); }
  bool accept() {
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_);
    return SSL_accept(ssl_.get()) == 1;
  }
  std::string read_head() {
    std::string text;
    char block[4096];
    while (text.find("\r\n\r\n") == std::string::npos) {
      const int n = SSL_read(ssl_.get(), block, sizeof block);
      if (n <= 0) return {};
      text.append(block, static_cast<std::size_t>(n));
    }
    return text;
  }
  /// Fewer at the end.
  std::string read_bytes(std::size_t size) {
    std::string text(size, '\0');
    std::size_t got = 0;
    while (got < size) {
      const int n = SSL_read(ssl_.get(), text.data() + got, static_cast<int>(size - got));
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    text.resize(got);
    return text;
  }
  /// One record, where it fits.
  bool send(std::string_view text) {
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0;
  }
  /// ALPN: takes HTTP/2, whatever else is offered. Before accept().
  void take_http2() {
    SSL_CTX_set_alpn_select_cb(
        context_.get(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char*, unsigned,
           void*) {
          static constexpr unsigned char kHttp2[] = {'h', '2'};
          *out = kHttp2;
          *size = sizeof kHttp2;
          return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
  }
  void shutdown() { SSL_shutdown(ssl_.get()); }
  [[nodiscard]] std::string server_name() const {
    const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? name : "";
  }

 private:
  std::unique_ptr<SSL_CTX, OpensslFree<&SSL_CTX_free>> context_;
  std::unique_ptr<SSL, OpensslFree<&SSL_free>> ssl_;
  const int fd_;
};

}  // namespace millrace::test
