// What an operator should know of certificates that can be used all the same: they end soon, have
// ended, or stand behind others that hide them. Never a reason not to start: a server with an old
// certificate is better than none.
//
// Thread rule: pure but for reading the listener's files; call from any thread.
#pragma once

#include "config/config.hpp"

#include <ctime>
#include <string>
#include <vector>

namespace millrace::config {

/// Let's Encrypt renews 30 days before the end: later than that, nobody does.
inline constexpr int kExpiryWarningDays = 30;

struct CertificateWarning {
  std::string key;  ///< below the listener: "certificates[0].certificate"
  std::string text;
};

/// Files that cannot be read are passed over: they are errors, not warnings.
[[nodiscard]] std::vector<CertificateWarning> certificate_warnings(const TlsListener& listener,
                                                                   std::time_t now);

}  // namespace millrace::config
