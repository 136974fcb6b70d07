// Do the named PEM files hold what they should? Asked while loading, so that a wrong path ends a
// start or a reload with one clear line instead of a handshake that fails later. Private to
// src/config.
#pragma once

#include <filesystem>
#include <string>

namespace millrace::config {

/// What is wrong, or nothing.
[[nodiscard]] std::string certificate_fault(const std::filesystem::path& certificate);
/// An encrypted key is a fault: nobody is there to be asked for its passphrase.
[[nodiscard]] std::string key_fault(const std::filesystem::path& key);
/// Both must be fine each: do they belong together?
[[nodiscard]] bool key_matches(const std::filesystem::path& certificate,
                               const std::filesystem::path& key);
/// At least one certificate, all of them readable.
[[nodiscard]] std::string authorities_fault(const std::filesystem::path& file);

/// An OCSP answer that is one, and for this certificate; the certificate must be fine.
[[nodiscard]] std::string ocsp_fault(const std::filesystem::path& ocsp,
                                     const std::filesystem::path& certificate);

}  // namespace millrace::config
