// What one configuration says of requests on one io thread: limits, hooks, routes.
//
// A ServerPipeline asks the rules of the day; an exchange ends with those that it began with, so
// they live until the last of their exchanges has ended (RulesInUse).
//
// Thread rule: one io thread. Everything it is given must outlive it.
#pragma once

#include "millrace/middleware.hpp"
#include "millrace/pipeline.hpp"
#include "server/actions.hpp"
#include "server/router.hpp"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace millrace::server {

/// Counts who uses the rules of one configuration: exchanges, copies of them, and listeners that
/// keep them to their end. Not atomic.
class RulesInUse {
 public:
  [[nodiscard]] bool in_use() const noexcept { return uses_ != 0; }
  /// Nobody begins to use these rules any more. Calls unused() at once when nobody does.
  void retire() noexcept {
    retired_ = true;
    if (uses_ == 0) unused();
  }

  void hold() noexcept { ++uses_; }
  void release() noexcept {
    if (--uses_ == 0 && retired_) unused();
  }

 protected:
  ~RulesInUse() = default;

 private:
  /// The last use has ended. Called amid its turn: who used the rules is still on the way out, and
  /// they must not be destroyed before the turn's end.
  virtual void unused() noexcept = 0;

  std::size_t uses_ = 0;
  bool retired_ = false;
};

class PipelineRules final : Observer {
 public:
  /// `everything`: answers every request that has passed the gate, CONNECT and TRACE too, and the
  /// router is not asked; nullptr: the routes do. `use`: nullptr: nobody counts.
  PipelineRules(const ConnectionLimits& limits, Router router,
                std::vector<std::unique_ptr<Middleware>> middlewares, Handler* everything = nullptr,
                RulesInUse* use = nullptr)
      : limits_(limits),
        router_(std::move(router)),
        middlewares_(std::move(middlewares)),
        everything_(everything),
        use_(use) {}
  PipelineRules(const PipelineRules&) = delete;
  PipelineRules& operator=(const PipelineRules&) = delete;

  [[nodiscard]] const ConnectionLimits& limits() const noexcept { return limits_; }

  /// The rules that `exchange` began with.
  [[nodiscard]] static PipelineRules& of(Exchange& exchange) noexcept {
    return static_cast<PipelineRules&>(*attached(exchange));
  }
  [[nodiscard]] Handler& begin(Exchange& exchange);
  void end(Exchange& exchange, Result<void> outcome);

  /// Somebody relies on the rules until release().
  void hold() noexcept {
    if (use_ != nullptr) use_->hold();
  }
  void release() noexcept {
    if (use_ != nullptr) use_->release();
  }

  /// A head that did not pass: begin and end in one.
  void refuse(Exchange& exchange, Error error);

 private:
  void response_head(Exchange& exchange, http::ResponseHead& head) override;
  [[nodiscard]] Handler& handler_for(Exchange& exchange);
  void greet(Exchange& exchange);
  void render(Exchange& exchange, Error error);

  const ConnectionLimits limits_;
  Router router_;
  std::vector<std::unique_ptr<Middleware>> middlewares_;
  Handler* const everything_;
  RulesInUse* const use_;
  FailHandler not_found_{Errc::kNotFound};
  FailHandler method_not_allowed_{Errc::kMethodNotAllowed};
  FailHandler method_unknown_{Errc::kMethodUnknown};
  FailHandler misdirected_{Errc::kMisdirected};
  OptionsHandler options_{router_};
};

}  // namespace millrace::server
