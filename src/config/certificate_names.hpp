// The host names that a certificate is for: who is served with it, and which requests may come over
// a connection that it was shown on.
//
// RFC 6125: subjectAltName, the subject's common name only where there is none. A wildcard is a
// whole first label and stands for exactly one.
//
// Ownership: copies what it needs. Thread rule: immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

typedef struct x509_st X509;  // NOLINT: OpenSSL's own forward declaration

namespace millrace::config {

class CertificateNames {
 public:
  CertificateNames() = default;
  explicit CertificateNames(const X509* certificate);

  /// `host`: a name in any case, or an IP literal without brackets.
  [[nodiscard]] bool covers(std::string_view host) const;

  /// "example.com", in lower case.
  [[nodiscard]] const std::vector<std::string>& exact() const noexcept { return exact_; }
  /// ".example.com" for "*.example.com".
  [[nodiscard]] const std::vector<std::string>& wildcards() const noexcept { return wildcards_; }
  /// Four or sixteen bytes each.
  [[nodiscard]] const std::vector<std::string>& addresses() const noexcept { return addresses_; }
  /// The first one as the certificate has it; empty when there is none.
  [[nodiscard]] std::string first() const;

 private:
  void add(std::string_view name);

  std::vector<std::string> exact_;
  std::vector<std::string> wildcards_;
  std::vector<std::string> addresses_;
};

/// ".example.com" of "www.example.com": what a wildcard for it looks like; empty for one label.
[[nodiscard]] std::string_view parent_domain(std::string_view host) noexcept;

}  // namespace millrace::config
