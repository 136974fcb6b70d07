// Heads of requests and responses as every protocol codec delivers and takes them.
//
// Views point into the codec's buffer and live as long as the exchange.
#pragma once

#include "http/fields.hpp"
#include "http/method.hpp"
#include "http/target.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::http {

enum class Version : std::uint8_t { kHttp10, kHttp11, kHttp2 };

/// How long the body is. Judged once by the gate; nobody above the codec looks at framing fields.
struct BodyLength {
  enum class Kind : std::uint8_t {
    kNone,        ///< no body (END_STREAM with the head; no framing fields)
    kKnown,       ///< exactly `bytes`
    kUnknown,     ///< chunked, or h2 without content-length: ends when the codec says so
    kUntilClose,  ///< responses only: until the connection closes
  };
  Kind kind = Kind::kNone;
  std::uint64_t bytes = 0;

  [[nodiscard]] bool is_none() const noexcept { return kind == Kind::kNone; }
  [[nodiscard]] bool is_known() const noexcept { return kind == Kind::kKnown; }
  [[nodiscard]] static BodyLength none() noexcept { return {}; }
  [[nodiscard]] static BodyLength known(std::uint64_t n) noexcept { return {Kind::kKnown, n}; }
  [[nodiscard]] static BodyLength unknown() noexcept { return {Kind::kUnknown, 0}; }
  [[nodiscard]] static BodyLength until_close() noexcept { return {Kind::kUntilClose, 0}; }
};

/// A request head after the gate. `fields` holds what came over the wire, framing and hop-by-hop
/// fields included; whoever forwards regenerates them (http/forward.hpp).
struct RequestHead {
  Method method = Method::kGet;
  std::string_view method_text;  ///< as sent; methods are case-sensitive
  Version version = Version::kHttp11;
  bool https = false;          ///< the scheme the client used towards us
  std::string_view authority;  ///< host[:port], validated; from the target or Host or :authority
  std::string_view path;       ///< starts with '/', or "*" for OPTIONS *; still percent-encoded
  std::string_view query;      ///< without '?'
  bool has_query = false;
  /// The request target as it came (h2: `:path`, CONNECT: the authority): for a forward proxy,
  /// which must not change it (RFC 9110 section 7.7). Everybody else takes `path`.
  std::string_view target;
  TargetForm form = TargetForm::kOrigin;
  /// The protocol that the client wants to go on with ("websocket"), from Upgrade or, over HTTP/2,
  /// an extended CONNECT (RFC 8441), which is shown as the GET that it stands for. Empty: none.
  std::string_view upgrade;
  BodyLength body;
  Fields fields;

  void clear() noexcept;
};

/// A response head. Framing fields (Content-Length, Transfer-Encoding), Connection and Date are the
/// codec's business: it writes them from `body` and drops them from `fields`.
struct ResponseHead {
  int status = 200;
  BodyLength body;  ///< for HEAD answers: what a GET would have had
  Fields fields;
};

/// Does a response say Content-Length? Never with 1xx and 204; with 304 only what a 200 would have
/// said, which an answer made without a body does not know (RFC 9110 section 8.6).
[[nodiscard]] inline bool says_length(const ResponseHead& head) noexcept {
  if (!head.body.is_known() || head.status < 200 || head.status == 204) return false;
  return head.status != 304 || head.body.bytes != 0;
}

/// "OK" for 200; empty for codes that IANA does not list.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

/// 1xx, 204 and 304 never have a body (RFC 9110 section 6.4.1).
[[nodiscard]] constexpr bool status_forbids_body(int status) noexcept {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace millrace::http
