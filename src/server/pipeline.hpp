// The pipeline of one io thread: request hooks, routing, error documents, finish hooks.
//
// Thread rule: one io thread. Everything it is given must outlive it.
#pragma once

#include "millrace/middleware.hpp"
#include "millrace/pipeline.hpp"
#include "server/actions.hpp"
#include "server/router.hpp"

#include <memory>
#include <vector>

namespace millrace::server {

class ServerPipeline final : public Pipeline, Observer {
 public:
  /// `everything`: answers every request that has passed the gate, CONNECT and TRACE too, and the
  /// router is not asked; nullptr: the routes do.
  ServerPipeline(const ConnectionLimits& limits, Router router,
                 std::vector<std::unique_ptr<Middleware>> middlewares,
                 Handler* everything = nullptr)
      : limits_(limits),
        router_(std::move(router)),
        middlewares_(std::move(middlewares)),
        everything_(everything) {}

  const ConnectionLimits& limits() const noexcept override { return limits_; }
  bool draining() const noexcept override { return draining_; }
  void watch_drain(DrainWatcher& watcher) noexcept override { drain_watchers_.push_back(watcher); }
  void set_draining() noexcept;

  Handler& begin(Exchange& exchange) override;
  void end(Exchange& exchange, Result<void> outcome) override;
  void refuse(Exchange& exchange, Error error) override;

 private:
  void response_head(Exchange& exchange, http::ResponseHead& head) override;
  void render(Exchange& exchange, Error error);

  const ConnectionLimits limits_;
  Router router_;
  std::vector<std::unique_ptr<Middleware>> middlewares_;
  Handler* const everything_;
  FailHandler not_found_{Errc::kNotFound};
  FailHandler method_not_allowed_{Errc::kMethodNotAllowed};
  FailHandler method_unknown_{Errc::kMethodUnknown};
  FailHandler misdirected_{Errc::kMisdirected};
  OptionsHandler options_{router_};
  boost::intrusive::list<DrainWatcher, boost::intrusive::constant_time_size<false>> drain_watchers_;
  bool draining_ = false;
};

}  // namespace millrace::server
