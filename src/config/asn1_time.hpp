// Times of certificates and OCSP answers as the system's. Private to the files that see OpenSSL.
#pragma once

#include <ctime>

#include <openssl/asn1.h>

namespace millrace::config {

/// 0 for nullptr and for what is no time.
[[nodiscard]] inline std::time_t unix_time(const ASN1_TIME* time) noexcept {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return ::timegm(&parts);
}

}  // namespace millrace::config
