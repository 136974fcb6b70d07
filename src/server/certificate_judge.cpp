#include "server/certificate_judge.hpp"

#include "http/ascii.hpp"
#include "http/target.hpp"

namespace millrace::server {
namespace {

/// "example.com" of "example.com", "Example.com.:8443": what nearly every request says.
bool is_name_with_port(std::string_view authority, std::string_view name) noexcept {
  if (!http::istarts_with(authority, name)) return false;
  authority.remove_prefix(name.size());
  if (authority.starts_with('.')) authority.remove_prefix(1);
  return authority.empty() || authority.starts_with(':');
}

}  // namespace

bool CertificateJudge::admits(std::string_view authority) {
  const std::string_view name = session_.server_name();
  if (name.empty() || authority.empty() || is_name_with_port(authority, name)) return true;
  if (authority == judged_) return admitted_;
  const auto parsed = http::parse_authority(authority);
  judged_ = authority;
  admitted_ = parsed && session_.covers(parsed->host);
  return admitted_;
}

}  // namespace millrace::server
