#include "process/supervisor.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <utility>

namespace millrace::process {
namespace {

constexpr Duration kReapEvery = std::chrono::seconds(1);

}  // namespace

Supervisor::Supervisor(const Definitions& definitions, Host& host) : host_(host) {
  for (const auto& [name, definition] : definitions)
    services_.push_back(std::make_unique<Service>(name, definition, host));
}

std::expected<void, std::string> Supervisor::prepare() {
  for (const auto& service : services_)
    if (auto prepared = service->prepare(); !prepared) return prepared;
  return {};
}

Service* Supervisor::find(std::string_view name) noexcept {
  const auto at = std::ranges::find_if(services_, [&](const auto& s) { return s->name() == name; });
  return at == services_.end() ? nullptr : at->get();
}

Task<void> Supervisor::run() {
  running_ = true;
  for (const auto& service : services_) tasks_.spawn(run_one(*service));
  TaskGroup reaper;
  if (adopts_orphans()) reaper.spawn(reap_others());
  (void)co_await stopped_.wait();
  co_await tasks_.join();
  reaper.cancel();
  co_await reaper.join();
}

Task<void> Supervisor::run_one(Service& service) {
  co_await service.run();
  std::erase_if(retired_, [&](const auto& s) { return s.get() == &service; });
}

Task<void> Supervisor::reap_others() {
  const auto known = [this](pid_t pid) {
    const auto owns = [pid](const auto& s) { return s->owns(pid); };
    return std::ranges::any_of(services_, owns) || std::ranges::any_of(removed_, owns) ||
           std::ranges::any_of(retired_, owns);
  };
  do {
    if (const unsigned count = reap_orphans(known); count > 0)
      log::event(LogLevel::kDebug, "orphans_reaped", {{"count", count}});
  } while (co_await sleep_for(kReapEvery));
}

bool Supervisor::restart(std::string_view name) {
  Service* service = find(name);
  if (service != nullptr) service->restart("asked for");
  return service != nullptr;
}

void Supervisor::restart_all(std::string_view why) {
  for (const auto& service : services_) service->restart(why);
}

void Supervisor::begin(std::unique_ptr<Service> service) {
  services_.push_back(std::move(service));
  if (running_) tasks_.spawn(run_one(*services_.back()));
}

std::expected<void, std::string> Supervisor::stage_new(const std::string& name,
                                                       const config::Process& definition) {
  added_.push_back(std::make_unique<Service>(name, definition, host_));
  return added_.back()->prepare();
}

std::expected<void, std::string> Supervisor::stage(const Definitions& definitions) {
  unstage();
  for (const auto& [name, definition] : definitions) {
    const Service* const known = find(name);
    auto able = known != nullptr ? known->allows(definition) : stage_new(name, definition);
    if (able) continue;
    unstage();
    return able;
  }
  return {};
}

void Supervisor::apply(const Definitions& definitions) {
  for (std::size_t i = services_.size(); i-- > 0;) {
    if (definitions.contains(services_[i]->name())) continue;
    removed_.push_back(std::move(services_[i]));
    services_.erase(services_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (const auto& service : services_)
    service->redefine(definitions.find(service->name())->second);
  for (auto& service : added_) begin(std::move(service));
  unstage();
}

void Supervisor::end_removed() {
  for (auto& service : removed_) {
    service->stop(true);
    retired_.push_back(std::move(service));
  }
  removed_.clear();
}

void Supervisor::stop() {
  end_removed();
  for (const auto& service : services_) service->stop(false);
  for (const auto& service : retired_) service->stop(false);
  stopped_.set();
}

void Supervisor::kill() {
  end_removed();
  for (const auto& service : services_) service->kill();
  for (const auto& service : retired_) service->kill();
}

std::vector<SupervisedStatus> Supervisor::status() const {
  std::vector<SupervisedStatus> out;
  for (const auto& service : services_) out.push_back(service->status());
  return out;
}

}  // namespace millrace::process
