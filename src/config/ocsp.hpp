// A stored OCSP answer (RFC 6960), as it is stapled to handshakes: is it one, is it for this
// certificate, and until when is it good?
//
// Its signature is not checked: clients do that, and who can write the file has the key anyway.
// Thread rule: pure functions.
#pragma once

#include <ctime>
#include <expected>
#include <string>
#include <string_view>

typedef struct x509_st X509;  // NOLINT: OpenSSL's own forward declaration

namespace millrace::config {

struct OcspAnswer {
  enum class Status : unsigned char { kGood, kRevoked, kUnknown };
  Status status = Status::kGood;
  std::time_t valid_from = 0;
  std::time_t valid_until = 0;  ///< 0: it does not say
};

/// `der`: the file's bytes. `issuer` may be nullptr: then the serial number alone must fit. The
/// error is what is wrong, to be put behind the file's name.
[[nodiscard]] std::expected<OcspAnswer, std::string> parse_ocsp(std::string_view der,
                                                                const X509* leaf,
                                                                const X509* issuer);

}  // namespace millrace::config
