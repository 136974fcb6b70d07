// How a running server takes a new configuration: two phases over all io threads.

#include "app/server_process.hpp"
#include "app/service_manager.hpp"
#include "app/upstream_options.hpp"
#include "config/redact.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::app {
namespace {

using Kind = ReloadOutcome::Kind;

ConfigMessage to_message(const config::Diagnostic& d) {
  return {d.source, d.line, d.column, d.message, d.text()};
}

ConfigMessage plain_message(std::string text) {
  return {.source = {}, .message = text, .text = std::move(text)};
}

std::string_view code_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::kDone:
      return "done";
    case Kind::kInvalid:
      return "invalid";
    case Kind::kFailed:
      return "failed";
    case Kind::kRefused:
      return "refused";
  }
  return {};
}

}  // namespace

Task<ReloadOutcome> ServerProcess::reload_once() {
  ReloadOutcome outcome;
  if (draining_) {
    outcome.kind = Kind::kRefused;
    outcome.errors.push_back(plain_message("the server is draining"));
    co_return tell(std::move(outcome));
  }
  notify_reloading();
  const config::Loaded loaded = options_.load();
  for (const config::Diagnostic& d : loaded.errors) outcome.errors.push_back(to_message(d));
  for (const config::Diagnostic& d : loaded.warnings) outcome.warnings.push_back(to_message(d));
  if (!loaded.config) {
    outcome.kind = Kind::kInvalid;
    co_return tell(std::move(outcome));
  }
  for (const std::string& key : restart_needed(started_with_, *loaded.config))
    outcome.warnings.push_back(plain_message("restart needed for " + key));
  if (const Outcome changed = co_await change_to(loaded.config); !changed) {
    outcome.kind = draining_ ? Kind::kRefused : Kind::kFailed;
    outcome.errors.push_back(plain_message(changed.error()));
  }
  co_return tell(std::move(outcome));
}

Task<ServerProcess::Outcome> ServerProcess::change_to(std::shared_ptr<const config::Config> next) {
  if (generations_in_use() >= kGenerationsMax)
    co_return std::unexpected(std::to_string(kGenerationsMax) +
                              " configurations are still in use by requests that have not ended");
  auto tls = tls_.prepare(next->server.tls);
  if (!tls) co_return std::unexpected(tls.error());
  Outcome built = prepare_parts(*next);
  auto limits = make_upstream_limits(*next, upstream_limits_.get());
  if (built)
    built = co_await on_threads(
        *io_, control_,
        [this, next, limits](std::size_t i) { return prepare_thread(i, next, limits); },
        kBuildPatience);
  if (built && draining_) built = std::unexpected("the server is draining");
  if (!built) {
    abandon();
    co_return built;
  }
  // Last: a socket that is bound has clients at once.
  auto plan = listeners_.plan(*next);
  if (!plan) {
    abandon();
    co_return std::unexpected(plan.error());
  }
  const auto with = surroundings(*next, *plan, **tls);
  now_serving(next, std::move(limits));
  listeners_.commit(std::move(*plan));
  tls_.commit(std::move(*tls));
  next.reset();  // the threads say how long it is in use
  const Outcome done = co_await on_threads(
      *io_, control_, [this, with](std::size_t i) { return commit_thread(i, with); },
      kBuildPatience);
  if (!done) log::event(LogLevel::kWarn, "reload_slow", {{"why", done.error()}});
  for (ReloadPart* part : parts_) part->committed();
  co_return Outcome{};
}

ServerProcess::Outcome ServerProcess::prepare_parts(const config::Config& next) {
  for (ReloadPart* part : parts_)
    if (Outcome prepared = part->prepare(next); !prepared) return prepared;
  return {};
}

Task<ServerProcess::Outcome> ServerProcess::prepare_thread(
    std::size_t thread, std::shared_ptr<const config::Config> next,
    std::shared_ptr<const UpstreamLimitsMap> limits) {
  co_return servers_[thread]->prepare(std::move(next), std::move(limits));
}

Task<ServerProcess::Outcome> ServerProcess::commit_thread(std::size_t thread,
                                                          std::shared_ptr<Surroundings> with) {
  co_await servers_[thread]->commit(std::move((*with)[thread]));
  co_return Outcome{};
}

void ServerProcess::abandon() {
  for (ReloadPart* part : parts_) part->abandon();
  targets_.retain([this](const std::string& name) { return config_->upstreams.contains(name); });
  // Behind what they may still be busy preparing.
  for (std::size_t i = 0; i < io_->size(); ++i)
    (*io_)[i].post([this, i] { servers_[i]->abandon(); });
}

void ServerProcess::now_serving(std::shared_ptr<const config::Config> config,
                                std::shared_ptr<const UpstreamLimitsMap> limits) {
  publish_targets(*config, targets_);
  configure_upstream_limits(*config, *limits);
  follow_targets(*limits, upstream_limits_.get(), targets_);
  upstream_limits_ = std::move(limits);
  for (ReloadPart* part : parts_) part->commit(*config_, config);
  std::erase_if(generations_, [](const auto& g) { return g.expired(); });
  generations_.push_back(config);
  config_ = std::move(config);
  ++configuration_.generation;
  configuration_.loaded = std::chrono::steady_clock::now();
}

std::size_t ServerProcess::generations_in_use() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(generations_, [](const auto& g) { return !g.expired(); }));
}

net::AddressGuard ServerProcess::make_guard(const config::Config& config,
                                            const Listeners::Plan& plan) const {
  net::AddressGuard::Options options;
  options.allow_networks = to_networks(config.fetch.allow_networks);
  for (const Listeners::Bound& l : plan) options.own_listeners.push_back(l.address);
  if (!admin_listener_.empty()) options.own_listeners.push_back(admin_address_);
  options.local_addresses = net::interface_addresses();
  return net::AddressGuard(std::move(options));
}

std::shared_ptr<ServerProcess::Surroundings> ServerProcess::surroundings(
    const config::Config& config, Listeners::Plan& plan, TlsListeners::Set& tls) const {
  auto out = std::make_shared<Surroundings>(threads_);
  const net::AddressGuard guard = make_guard(config, plan);
  for (unsigned i = 0; i < threads_; ++i) {
    ThreadServer::Surroundings& with = (*out)[i];
    with.guard = guard;
    with.tls = TlsListeners::take(tls, i);
    for (Listeners::Bound& l : plan)
      with.listeners.push_back({.number = l.number,
                                .fd = l.listener ? l.listener->take(i) : -1,
                                .address = l.address,
                                .shared = l.listener && l.listener->is_shared(),
                                .role = l.role});
  }
  return out;
}

ReloadOutcome ServerProcess::tell(ReloadOutcome outcome) {
  outcome.generation = configuration_.generation;
  if (!draining_) {
    const bool done = outcome.kind == Kind::kDone;
    notify("READY=1\nSTATUS=" + (done ? "serving generation " + std::to_string(outcome.generation)
                                      : "last reload failed: " + outcome.errors.front().text));
  }
  for (const ConfigMessage& error : outcome.errors)
    log::event(LogLevel::kError, "config_error", {{"error", error.text}});
  for (const ConfigMessage& warning : outcome.warnings)
    log::event(LogLevel::kWarn, "config_warning", {{"warning", warning.text}});
  if (outcome.kind == Kind::kDone) {
    ++configuration_.reloads;
    configuration_.last_failure.clear();
    log::event(LogLevel::kInfo, "reloaded",
               {{"generation", outcome.generation}, {"in_use", generations_in_use()}});
    return outcome;
  }
  ++configuration_.reload_failures;
  configuration_.last_failure = outcome.errors.front().text;
  log::event(LogLevel::kError, "reload_failed",
             {{"why", code_of(outcome.kind)},
              {"errors", outcome.errors.size()},
              {"generation", outcome.generation}});
  return outcome;
}

std::string ServerProcess::configuration() const {
  return config::print(config::redacted(*config_));
}

void ServerProcess::set_log_level(LogLevel level) {
  log_->set_level(level);
  log_->announce("log_level_set", {{"to", log::level_name(level)}});
}

}  // namespace millrace::app
