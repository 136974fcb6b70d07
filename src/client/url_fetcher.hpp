// Fetching URLs that somebody else chose: redirects followed, every hop judged anew.
//
// Each hop goes through the URL parser, the allow list and the address guard (of the Client) before
// it is dialled. Redirects (RFC 9110 section 15.4): at most redirects_max, never from https to
// http; Authorization and Cookie do not cross origins; 303, and 301 or 302 to a POST, become GET
// without a body; 307 and 308 keep it, or are handed to the caller when the body cannot be sent
// again.
//
// Retries are a matter of each hop: a hop that fails is tried again by itself, with the policy's
// limit anew, and not the whole chain, whose hops before it have answered.
//
// Thread rule: one io thread.
#pragma once

#include "client/client.hpp"
#include "client/proxy_settings.hpp"
#include "client/resuming_body.hpp"
#include "client/retry.hpp"
#include "http/url.hpp"

#include <functional>
#include <optional>
#include <string_view>

namespace millrace::client {

class UrlFetcher {
 public:
  struct Options {
    /// Browsers follow 20, curl 50, Go 10. 0: every redirect is handed to the caller.
    unsigned redirects_max = 10;
    /// Off only for the operator's own URLs.
    bool guarded = true;
    /// Forward proxies, for what is not guarded. Not owned; nullptr: none.
    const ProxySettings* proxies = nullptr;
    net::TlsClient::Options tls;
    Timeouts timeouts;
    /// Whole fetch, body included, where the caller applies it.
    Duration total = Duration::max();
    /// May this host be fetched from? (lower case, no brackets). Empty: any.
    std::function<bool(std::string_view host)> allow_host;
    /// nullopt: every hop is tried once.
    std::optional<RetryPolicy> retry;
    /// For ResumingBody, when a caller makes one. 0: what breaks off is an error.
    ResumePolicy resume{.resumes_max = 0};
  };

  /// `client` must outlive it.
  UrlFetcher(Client& client, Options options)
      : client_(client), sender_(client), options_(std::move(options)) {}

  /// The caller sets the request's method, fields and body; origin, target, Host and timeouts come
  /// from here. `url` is where the answer came from afterwards, and must outlive the response, as
  /// `request` must. `deadline`: as in fetch_with_retries. Errors: kUrlRefused, kTooManyRedirects,
  /// and those of Client::fetch.
  [[nodiscard]] Task<Result<Response>> fetch(http::Url& url, Request& request,
                                             TimePoint deadline = TimePoint::max());

  /// For the ResumingBody of an answer that fetch() gave: where that came from, the rest is.
  [[nodiscard]] Sender& sender() noexcept { return sender_; }

  [[nodiscard]] const Options& options() const noexcept { return options_; }

 private:
  [[nodiscard]] Result<void> aim(const http::Url& url, Request& request);
  [[nodiscard]] Task<Result<Response>> fetch_hop(Request& request, TimePoint deadline);

  Client& client_;
  DirectSender sender_;
  const Options options_;
};

}  // namespace millrace::client
