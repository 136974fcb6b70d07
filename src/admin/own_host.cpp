// Who may ask: names and origins of the admin address.

#include "admin/admin_handler.hpp"
#include "http/ascii.hpp"
#include "http/target.hpp"

namespace millrace::admin {
namespace {

/// 127.0.0.0/8 and ::1, in the spellings that parse_authority lets through.
bool is_loopback(const http::Authority& authority) noexcept {
  if (authority.kind == http::HostKind::kIpv4) return authority.host.starts_with("127.");
  return authority.kind == http::HostKind::kIpv6 && authority.host == "::1";
}

}  // namespace

bool is_own_host(std::string_view authority, const PeerInfo& peer) noexcept {
  if (peer.address == "unix") return true;
  const auto parsed = http::parse_authority(authority);
  if (!parsed) return false;
  if (parsed->kind == http::HostKind::kName)
    return http::iequals(parsed->host, "localhost") || http::iequals(parsed->host, "localhost.");
  return is_loopback(*parsed) || http::iequals(parsed->host, peer.local_address);
}

bool is_own_origin(std::string_view origin, std::string_view authority) noexcept {
  constexpr std::string_view kHttp = "http://";
  constexpr std::string_view kHttps = "https://";
  if (http::istarts_with(origin, kHttp))
    origin.remove_prefix(kHttp.size());
  else if (http::istarts_with(origin, kHttps))
    origin.remove_prefix(kHttps.size());
  else
    return false;  // "null" among others
  return http::iequals(origin, authority);
}

}  // namespace millrace::admin
