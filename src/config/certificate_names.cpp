#include "config/certificate_names.hpp"

#include "http/ascii.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include <arpa/inet.h>
#include <openssl/x509v3.h>

namespace millrace::config {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return http::to_lower(c); });
  return out;
}

std::string_view view(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

/// The bytes of an IP literal; empty for anything else.
std::string address_bytes(const std::string& host) {
  std::array<char, 16> bytes{};
  if (::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
  if (::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) return {bytes.data(), 16};
  return {};
}

bool contains(const std::vector<std::string>& list, std::string_view one) {
  return std::ranges::find(list, one) != list.end();
}

std::string common_name(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  return std::string(view(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
}

}  // namespace

CertificateNames::CertificateNames(const X509* certificate) {
  using Free = decltype([](GENERAL_NAMES* names) { GENERAL_NAMES_free(names); });
  const std::unique_ptr<GENERAL_NAMES, Free> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names == nullptr) {
    add(common_name(certificate));
    return;
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) add(view(name->d.dNSName));
    if (name->type == GEN_IPADD) addresses_.emplace_back(view(name->d.iPAddress));
  }
}

void CertificateNames::add(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  const bool wildcard = name.starts_with("*.");
  if (wildcard) name.remove_prefix(1);
  // A star anywhere else means nothing to any client.
  if (name.size() < 2 || name.find_first_of(std::string_view("*\0", 2)) != std::string_view::npos)
    return;
  (wildcard ? wildcards_ : exact_).push_back(lower(name));
}

bool CertificateNames::covers(std::string_view host) const {
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::string name = lower(host);
  if (contains(exact_, name)) return true;
  if (const auto parent = parent_domain(name); !parent.empty() && contains(wildcards_, parent))
    return true;
  if (addresses_.empty()) return false;
  const std::string address = address_bytes(name);
  return !address.empty() && contains(addresses_, address);
}

std::string CertificateNames::first() const {
  if (!exact_.empty()) return exact_.front();
  return wildcards_.empty() ? std::string() : "*" + wildcards_.front();
}

std::string_view parent_domain(std::string_view host) noexcept {
  const std::size_t dot = host.find('.');
  return dot == std::string_view::npos || dot == 0 ? std::string_view() : host.substr(dot);
}

}  // namespace millrace::config
