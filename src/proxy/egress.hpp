// What an [[egress]] listener serves: a forward proxy for programs, and a gateway for those that
// can only be given a base URL. egress_target.hpp has the forms.
//
// Requests go out through the thread's client, with its connections and DNS cache. What leaves is
// built anew from the end-to-end fields (http::forward_egress), with the target's Host and Via;
// answers come back as they are: redirects, cookies and codings are the client's own business. In
// the gateway form alone, Location is made to lead through the gateway.
//
// Every URL is a stranger's: allow list and address guard apply. Pages in a browser may not use the
// gateway: what a stranger's server answers would run in the origin that we are for the browser,
// and could reach whatever the guard allows.
//
// Thread rule: one io thread.
#pragma once

#include "client/url_fetcher.hpp"
#include "millrace/exchange.hpp"
#include "proxy/connect_handler.hpp"

namespace millrace::proxy {

class Egress final : public Handler {
 public:
  /// Both must outlive it. `fetcher` follows no redirects.
  Egress(client::UrlFetcher& fetcher, ConnectHandler& connect) noexcept
      : fetcher_(fetcher), connect_(connect) {}

  /// Takes every request of its listener: CONNECT, TRACE (501) and `OPTIONS *` too.
  [[nodiscard]] Task<Result<void>> handle(Exchange& exchange) override;

 private:
  Task<Result<void>> fetch(Exchange& exchange);
  Task<Result<void>> pass(Exchange& exchange, http::Url& url);

  client::UrlFetcher& fetcher_;
  ConnectHandler& connect_;
};

}  // namespace millrace::proxy
