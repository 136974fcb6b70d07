// The three ways in which a request tells a forward proxy where it wants to go, and the one that
// leads back.
//
//   GET http://host/path      absolute-form (RFC 9112 section 3.2.2)
//   CONNECT host:port         authority-form (section 3.2.3)
//   GET /https/host/path      the gateway form: what a client asks whose base URL we are
//
// The host goes through the parser of URLs that strangers chose (http/url.hpp). Path and query are
// the client's, byte by byte: a proxy must not change them (RFC 9110 section 7.7), so neither dot
// segments nor escapes are touched, and "/https/host/../x" is "/../x" at that host.
//
// Thread rule: pure functions.
#pragma once

#include "http/method.hpp"
#include "http/url.hpp"

#include <string>
#include <string_view>

namespace millrace::proxy {

/// `target`: of absolute-form, passed by the gate. Without path and query the target of an OPTIONS
/// is "*" (RFC 9112 section 3.2.4). Errors: those of http::parse_url.
[[nodiscard]] Result<http::Url> parse_absolute_target(http::Method method, std::string_view target);

/// `target`: of origin-form, passed by the gate. Error: kNotFound when it begins with neither
/// /https/ nor /http/; else as above.
[[nodiscard]] Result<http::Url> parse_gateway_target(std::string_view target);

/// `authority`: of a CONNECT, passed by the gate, so it has a port. The path is unused.
[[nodiscard]] Result<http::Url> parse_connect_target(std::string_view authority);

/// The Location that the origin of `url` gave, for a client that asked by the gateway form: it
/// leads through the gateway too, whether the origin wrote a URL, a path or less. Empty where it
/// has to stay as it came: no http or https URL, one that would be refused, or another origin: to
/// the client all of them are one, and it would send the credentials for this one there.
[[nodiscard]] std::string gateway_location(const http::Url& url, std::string_view location);

}  // namespace millrace::proxy
