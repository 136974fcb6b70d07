#include "http/connection.hpp"

#include "http/ascii.hpp"

namespace millrace::http {

ConnectionOptions connection_options(const Fields& fields) noexcept {
  ConnectionOptions options;
  for (const Field& field : fields) {
    if (field.id != FieldId::kConnection) continue;
    for_each_element(field.value, [&](std::string_view option) {
      ++options.count;
      if (iequals(option, "close")) options.close = true;
      if (iequals(option, "keep-alive")) options.keep_alive = true;
      if (iequals(option, "upgrade")) options.upgrade = true;
      return true;
    });
  }
  return options;
}

bool persists(Version version, const ConnectionOptions& options) noexcept {
  if (version == Version::kHttp2) return true;
  if (options.close) return false;
  return version == Version::kHttp11 || options.keep_alive;
}

bool persists(Version version, const Fields& fields) noexcept {
  return persists(version, connection_options(fields));
}

}  // namespace millrace::http
