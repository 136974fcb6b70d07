// The route actions that need no more than the configuration: respond, redirect, and the answers to
// requests that no route takes.
#pragma once

#include "config/config.hpp"
#include "millrace/exchange.hpp"
#include "server/router.hpp"

#include <string>

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

/// `redirect = { to, status }`. The request's query is not appended.
class RedirectHandler final : public Handler {
 public:
  explicit RedirectHandler(const config::Redirect& redirect) : redirect_(redirect) {}
  Task<Result<void>> handle(Exchange& exchange) override;

 private:
  const config::Redirect redirect_;
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
