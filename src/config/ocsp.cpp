#include "config/ocsp.hpp"

#include "config/asn1_time.hpp"
#include "config/freer.hpp"

#include <memory>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>

namespace millrace::config {
namespace {

using Response = std::unique_ptr<OCSP_RESPONSE, Freer<OCSP_RESPONSE_free>>;
using Basic = std::unique_ptr<OCSP_BASICRESP, Freer<OCSP_BASICRESP_free>>;
using CertId = std::unique_ptr<OCSP_CERTID, Freer<OCSP_CERTID_free>>;

bool is_for(const OCSP_SINGLERESP* single, const X509* leaf, const X509* issuer) {
  auto* id = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single));
  ASN1_INTEGER* serial = nullptr;
  ASN1_OBJECT* digest = nullptr;
  OCSP_id_get0_info(nullptr, &digest, nullptr, &serial, id);
  if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0) return false;
  if (issuer == nullptr) return true;
  const CertId own(OCSP_cert_to_id(EVP_get_digestbyobj(digest), leaf, issuer));
  return own != nullptr && OCSP_id_issuer_cmp(own.get(), id) == 0;
}

OcspAnswer answer_of(OCSP_SINGLERESP* single) {
  ASN1_GENERALIZEDTIME *from = nullptr, *until = nullptr;
  const int status = OCSP_single_get0_status(single, nullptr, nullptr, &from, &until);
  OcspAnswer answer;
  if (status == V_OCSP_CERTSTATUS_REVOKED) answer.status = OcspAnswer::Status::kRevoked;
  if (status == V_OCSP_CERTSTATUS_UNKNOWN) answer.status = OcspAnswer::Status::kUnknown;
  answer.valid_from = unix_time(from);
  answer.valid_until = unix_time(until);
  return answer;
}

std::expected<OcspAnswer, std::string> parse(std::string_view der, const X509* leaf,
                                             const X509* issuer) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const Response response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  if (response == nullptr) return std::unexpected("holds no OCSP response in DER form");
  const int status = OCSP_response_status(response.get());
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
    return std::unexpected(std::string("is a refusal of the OCSP responder: ") +
                           OCSP_response_status_str(status));
  const Basic basic(OCSP_response_get1_basic(response.get()));
  if (basic == nullptr) return std::unexpected("holds no basic OCSP response");
  for (int i = 0; i < OCSP_resp_count(basic.get()); ++i) {
    OCSP_SINGLERESP* single = OCSP_resp_get0(basic.get(), i);
    if (is_for(single, leaf, issuer)) return answer_of(single);
  }
  return std::unexpected("is for another certificate");
}

}  // namespace

std::expected<OcspAnswer, std::string> parse_ocsp(std::string_view der, const X509* leaf,
                                                  const X509* issuer) {
  auto answer = parse(der, leaf, issuer);
  ERR_clear_error();
  return answer;
}

}  // namespace millrace::config
