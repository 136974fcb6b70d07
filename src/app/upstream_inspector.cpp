#include "app/upstream_inspector.hpp"

#include <chrono>
#include <utility>

namespace millrace::app {
namespace {

using std::chrono::duration_cast;

TargetStatus status_of(const proxy::UpstreamState::Report& report, TimePoint now) {
  const proxy::TargetState& target = *report.entry.state;
  TargetStatus out{.name = target.name(),
                   .state = report.standing.state,
                   .reason = report.standing.reason,
                   .since = duration_cast<std::chrono::milliseconds>(now - report.standing.since),
                   .weight = report.entry.spec.weight,
                   .share_percent = target.share(),
                   .priority = report.entry.spec.priority,
                   .in_flight = target.in_flight(),
                   .requests = target.requests(),
                   .failures = target.failures(),
                   .ejections = report.standing.ejections,
                   .last_error = {},
                   .latency = std::chrono::microseconds(target.latency_us())};
  if (target.last_error() != Errc::kCount_) out.last_error = info(target.last_error()).code;
  return out;
}

}  // namespace

std::vector<UpstreamStatus> upstream_status(const proxy::TargetBoard& board) {
  std::vector<UpstreamStatus> out;
  const TimePoint now = Clock::now();
  for (const auto& upstream : board.all()) {
    UpstreamStatus status{.name = upstream->name(),
                          .breaker = text_of(upstream->breaker().state()),
                          .breaker_opened = upstream->breaker().opened(),
                          .targets = {}};
    for (const auto& report : upstream->report()) status.targets.push_back(status_of(report, now));
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace millrace::app
