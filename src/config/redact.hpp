// The configuration as it may be shown to people who may not know its secrets.
#pragma once

#include "config/config.hpp"

#include <string_view>

namespace millrace::config {

/// What stands in the place of a secret.
inline constexpr std::string_view kRedacted = "***";

/// Does a field or variable of this name hold a secret? Those that authenticate (Authorization,
/// Cookie and so on), and names that end in token, key, secret, password, passwd, pwd, credential
/// or auth, whatever their case.
[[nodiscard]] bool is_secret_name(std::string_view name) noexcept;

/// A copy in which the values of fields with such names are kRedacted. Paths of files stay.
[[nodiscard]] Config redacted(const Config& config);

}  // namespace millrace::config
