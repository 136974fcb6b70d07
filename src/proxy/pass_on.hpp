// The answer's half of proxying: what an upstream said, passed on to the client as it comes.
//
// Thread rule: one io thread.
#pragma once

#include "client/response.hpp"
#include "millrace/exchange.hpp"
#include "millrace/target_use.hpp"

#include <string_view>

namespace millrace::proxy {

/// Our name in Via.
inline constexpr std::string_view kPseudonym = "millrace";

/// RFC 9110 section 15.2: interim answers are passed on, but for 100, which nobody asked this
/// upstream for: the client's codec says it when the body is read.
class PassInterim final : public InterimSink {
 public:
  explicit PassInterim(Exchange& exchange) noexcept : exchange_(exchange) {}
  void interim(int status, const http::Fields& fields) override;

 private:
  Exchange& exchange_;
};

/// What a gateway changes of an answer's head.
struct AnswerChanges {
  /// Replaces the Location field; empty: as it came.
  std::string_view location = {};
  bool drop_cookies = false;
  /// A Set-Cookie field of ours; empty: none.
  std::string_view set_cookie = {};
  /// Told in a Server-Timing field of ours, beside the service's own; nullptr: not. Of a tunnel it
  /// is not.
  const Timings* timings = nullptr;
  /// Told of each piece of the body; nullptr: nobody is.
  TargetUse::Shard* use = nullptr;
};

/// Head, body and trailers, or the tunnel that an answer of 101 opens. The caller closes the
/// response, whatever happened. Errors: those of Response::read and Exchange::write;
/// kUpstreamBadMessage for a 101 to a WebSocket that does not prove it.
[[nodiscard]] Task<Result<void>> pass_answer(Exchange& exchange, const client::Request& request,
                                             client::Response& response,
                                             const AnswerChanges& changes = {});

}  // namespace millrace::proxy
