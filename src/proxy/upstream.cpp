#include "proxy/upstream.hpp"

#include "base/log.hpp"
#include "proxy/eligible.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <utility>

namespace millrace::proxy {
namespace {

// host[:port], the port only where it is not the scheme's own (RFC 9110 section 4.2.3).
std::string authority_of(const client::OriginSpec& spec) {
  if (!spec.unix_path.empty()) return "localhost";
  const bool v6 = spec.host.find(':') != std::string::npos;
  std::string out = v6 ? "[" + spec.host + "]" : spec.host;
  if (spec.port != (spec.tls ? 443 : 80)) out += ":" + std::to_string(spec.port);
  return out;
}

}  // namespace

Upstream::Upstream(client::Client& client, Options options, unsigned seed)
    : client_(client),
      options_(std::move(options)),
      state_(options_.state != nullptr ? options_.state
                                       : std::make_shared<UpstreamState>(options_.name)),
      balancer_(make_balancer(options_.balance, seed)) {}

std::expected<std::unique_ptr<Upstream>, std::string> Upstream::make(client::Client& client,
                                                                     Options options,
                                                                     unsigned seed) {
  std::unique_ptr<Upstream> upstream(new Upstream(client, std::move(options), seed));
  const Options& chosen = upstream->options_;
  if (upstream->balancer_ == nullptr) return std::unexpected("no such balancer: " + chosen.balance);
  if (!chosen.targets.empty()) upstream->state_->publish(chosen.targets);
  if (auto ready = upstream->refresh(); !ready) return std::unexpected(ready.error());
  return upstream;
}

std::expected<LocalTargetPtr, std::string> Upstream::local(const UpstreamState::Entry& entry) {
  for (const LocalTargetPtr& known : targets_)
    if (known != nullptr && known->state == entry.state && known->spec == entry.spec) return known;
  auto origin = client_.origin(entry.spec.origin);
  if (!origin) return std::unexpected(origin.error());
  limit(**origin);
  LocalTargetPtr made(new LocalTarget);
  made->spec = entry.spec;
  made->origin = std::move(*origin);
  made->state = entry.state;
  made->authority =
      entry.spec.authority.empty() ? authority_of(entry.spec.origin) : entry.spec.authority;
  return made;
}

std::expected<void, std::string> Upstream::refresh() {
  std::expected<void, std::string> outcome;
  // First, so that what changes from here on is seen the next time.
  seen_version_ = state_->version();
  if (auto published = state_->targets(); published != seen_) {
    std::vector<LocalTargetPtr> targets;
    for (const UpstreamState::Entry& entry : *published) {
      auto target = local(entry);
      if (!target) outcome = std::unexpected(entry.spec.name + ": " + target.error());
      targets.push_back(target ? std::move(*target) : nullptr);
    }
    targets_ = std::move(targets);
    seen_ = std::move(published);
  }
  chosen_.clear();
  candidates_.clear();
  for (const std::size_t i : eligible(*seen_, options_.panic_share)) {
    if (targets_[i] == nullptr) continue;
    const TargetState& state = *targets_[i]->state;
    candidates_.push_back({&state, std::uint64_t{targets_[i]->spec.weight} * state.share()});
    chosen_.push_back(targets_[i]);
  }
  balancer_->set(candidates_);
  return outcome;
}

void Upstream::limit_idle() noexcept {
  for (const LocalTargetPtr& target : targets_)
    if (target != nullptr) limit(*target->origin);
}

void Upstream::limit(client::Origin& origin) const noexcept {
  origin.limit_idle(options_.idle_max, options_.idle_age_max);
  origin.allow_exchanges(options_.exchanges_max);
}

void Upstream::log_fault(const std::string& fault) const {
  log::event(LogLevel::kError, "upstream_target_unusable",
             {{"upstream", options_.name}, {"error", fault}});
}

TargetLease Upstream::pick(const PickContext& context) {
  for (;;) {
    if (seen_version_ != state_->version())
      if (const auto ready = refresh(); !ready) log_fault(ready.error());
    if (chosen_.empty()) return {};
    const std::size_t index = chosen_.size() == 1 ? 0 : balancer_->pick(context);
    const LocalTargetPtr& target = chosen_[index];
    IoThread* const io = IoThread::current_or_null();
    if (target->state->begin())
      return {target, *state_, io != nullptr ? io->turn_time() : Clock::now()};
    // It was taken away a moment ago: the version follows the flag.
  }
}

void Upstream::set_targets(std::vector<TargetSpec> targets) {
  state_->publish(std::move(targets));
  if (const auto ready = refresh(); !ready) log_fault(ready.error());
}

std::string_view Upstream::host_for(const TargetLease& target,
                                    std::string_view authority) const noexcept {
  switch (options_.host) {
    case HostPolicy::kName:
      return options_.host_name;
    case HostPolicy::kPreserve:
      if (!authority.empty()) return authority;
      break;
    case HostPolicy::kTarget:
      break;
  }
  return target.authority();
}

}  // namespace millrace::proxy
