// The route actions that need no more than the configuration: respond, redirect, and the answers to
// requests that no route takes.
#pragma once

#include "config/config.hpp"
#include "millrace/exchange.hpp"
#include "server/router.hpp"

#include <string>
#include <utility>

namespace millrace::server {

/// `respond = { status, body, headers }`
class RespondHandler final : public Handler {
 public:
  explicit RespondHandler(const config::Respond& respond);
  Task<Result<void>> handle(Exchange& exchange) override;

 private:
  const config::Respond respond_;
  std::vector<http::Field> fields_;  // views into respond_
};

/// Of a redirect by a route with path `pattern`, for a request that it matches.
[[nodiscard]] std::string location_of(const config::Redirect& redirect,
                                      const config::PathPattern& pattern, const Exchange& exchange);

/// `redirect = { to, status }` of a route with path `pattern`. The request's query is not appended,
/// unless {query} or {uri} say so.
class RedirectHandler final : public Handler {
 public:
  RedirectHandler(const config::Redirect& redirect, config::PathPattern pattern)
      : redirect_(redirect), pattern_(std::move(pattern)) {}
  Task<Result<void>> handle(Exchange& exchange) override;

 private:
  const config::Redirect redirect_;
  const config::PathPattern pattern_;
};

/// Fails with one error: 404 where no route matches.
class FailHandler final : public Handler {
 public:
  explicit FailHandler(Errc errc) : errc_(errc) {}
  Task<Result<void>> handle(Exchange& exchange) override;

 private:
  const Errc errc_;
};

/// OPTIONS where nothing else takes it: 204, with the methods that the routes of this host and path
/// take. `OPTIONS *` asks of the server as a whole.
class OptionsHandler final : public Handler {
 public:
  /// `router` must outlive it.
  explicit OptionsHandler(const Router& router) : router_(router) {}
  Task<Result<void>> handle(Exchange& exchange) override;

 private:
  const Router& router_;
};

}  // namespace millrace::server
