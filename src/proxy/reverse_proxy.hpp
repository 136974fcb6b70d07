// Passes exchanges on to an upstream and its answers back, both bodies as they come.
//
// What leaves is built anew: end-to-end fields, the Host that the upstream wants, forwarding
// fields, Via, and framing by the codec (http/forward.hpp). Upgrade is not passed on, so a request
// for one is answered as an ordinary one (RFC 9110 section 7.8); CONNECT gets 501. Interim answers
// are passed on, trailers dropped.
//
// A target that could not be connected to gets the request from nobody: another one is tried, once.
// After that, and once anything was sent, failures become 502 or 504, or an abort when the answer
// has begun: a truncated body never ends cleanly.
//
// Thread rule: one io thread.
#pragma once

#include "millrace/exchange.hpp"
#include "proxy/upstream.hpp"

namespace millrace::proxy {

class ReverseProxy final : public Handler {
 public:
  /// `upstream` must outlive it.
  explicit ReverseProxy(Upstream& upstream) noexcept : upstream_(upstream) {}

  [[nodiscard]] Task<Result<void>> handle(Exchange& exchange) override;

 private:
  Task<Result<void>> forward(Exchange& exchange);
  Task<Result<client::Response>> fetch(Exchange& exchange, client::Request& request,
                                       TargetLease& lease);

  Upstream& upstream_;
};

}  // namespace millrace::proxy
