// The pipeline of one listener on one io thread: asks the rules of the day, and knows whether the
// listener is going down.
//
// Connections keep their pipeline; its rules are exchanged under them by a reload (use()), and the
// next request of each connection has the new ones.
//
// Thread rule: one io thread.
#pragma once

#include "millrace/pipeline.hpp"
#include "server/pipeline_rules.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace millrace::server {

class ServerPipeline final : public Pipeline {
 public:
  /// `rules` live as long as they are in use.
  explicit ServerPipeline(PipelineRules& rules) noexcept : rules_(&rules) {}
  /// With rules of its own, that never change.
  ServerPipeline(const ConnectionLimits& limits, Router router,
                 std::vector<std::unique_ptr<Middleware>> middlewares,
                 Handler* everything = nullptr)
      : own_(std::make_unique<PipelineRules>(limits, std::move(router), std::move(middlewares),
                                             everything)),
        rules_(own_.get()) {}

  ServerPipeline(const ServerPipeline&) = delete;
  ServerPipeline& operator=(const ServerPipeline&) = delete;
  ~ServerPipeline() override {
    if (keeps_rules_) rules_->release();
  }

  /// Exchanges that begin from now on have `rules`.
  void use(PipelineRules& rules) noexcept { rules_ = &rules; }
  /// Goes on with the rules that it has until it is gone: its listener is no longer configured.
  void keep_rules() noexcept {
    if (!std::exchange(keeps_rules_, true)) rules_->hold();
  }

  const ConnectionLimits& limits() const noexcept override { return rules_->limits(); }
  bool draining() const noexcept override { return draining_; }
  void watch_drain(DrainWatcher& watcher) noexcept override { drain_watchers_.push_back(watcher); }
  void set_draining() noexcept;

  Handler& begin(Exchange& exchange) override { return rules_->begin(exchange); }
  void end(Exchange& exchange, Result<void> outcome) override {
    PipelineRules::of(exchange).end(exchange, outcome);
  }
  void refuse(Exchange& exchange, Error error) override { rules_->refuse(exchange, error); }

 private:
  const std::unique_ptr<PipelineRules> own_;
  PipelineRules* rules_;
  bool keeps_rules_ = false;
  boost::intrusive::list<DrainWatcher, boost::intrusive::constant_time_size<false>> drain_watchers_;
  bool draining_ = false;
};

}  // namespace millrace::server
