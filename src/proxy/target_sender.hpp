// One try at a request to an upstream: picks a target, never the one that was just tried while
// there is another, waits for a place where targets have limits, and sends.
//
// Ownership: of one exchange; outlives its responses. Keeps its lease of the target until it dies,
// or until the next try begins when none is under way. Thread rule: one io thread.
#pragma once

#include "client/sender.hpp"
#include "proxy/upstream.hpp"
#include "proxy/upstream_limits.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace millrace::proxy {

class TargetSender final : public client::Sender {
 public:
  struct Options {
    const Exchange& exchange;
    /// From here to the head of the answer: kTryTimeout. Duration::max(): the phases have limits.
    Duration per_try = Duration::max();
    /// When the whole exchange ends, if it does: told upstream in X-Request-Deadline.
    TimePoint deadline = TimePoint::max();
  };

  TargetSender(Upstream& upstream, UpstreamLimits& limits, const Options& options) noexcept
      : upstream_(upstream), limits_(limits), options_(options) {}

  /// Errors: kNoTarget, kQueueFull and kQueueTimeout (of the target's limit), kTryTimeout, those of
  /// Client::fetch. A failure that is the target's is logged.
  [[nodiscard]] Task<Result<client::Response>> send(client::Request& request) override;
  /// How the rest of the answer went: for the target's health.
  void finished(const Result<void>& outcome) noexcept;
  /// A Set-Cookie field that brings the client back to the target that answered; mostly empty.
  [[nodiscard]] std::string cookie() const;
  /// Of the target that answered, to be told of its body; nullptr: it is not supervised.
  [[nodiscard]] TargetUse::Shard* use() const noexcept {
    return answered_ == nullptr ? nullptr : answered_->lease.use();
  }

 private:
  // A request and its hedge.
  static constexpr std::size_t kAtOnceMax = 2;

  /// A target for one try, and the place at it where places are limited.
  struct Hold {
    // Destroyed in this order from below, and never assigned: the place before its owner.
    TargetLease lease;
    std::shared_ptr<Admission> limit;
    Admission::Permit place;
  };

  [[nodiscard]] PickContext context() const;
  [[nodiscard]] Result<TargetLease> pick();
  [[nodiscard]] bool waits_for(const Result<TargetLease>& picked) const noexcept;
  void note(std::size_t slot);
  [[nodiscard]] Result<Hold> pick_with_room();
  [[nodiscard]] Task<Result<void>> hold_target(std::optional<Hold>& hold);
  void aim(const TargetLease& target, client::Request& request);
  [[nodiscard]] Task<Result<client::Response>> send_in_time(client::Request& request);

  Upstream& upstream_;
  UpstreamLimits& limits_;
  const Options options_;
  std::optional<std::uint64_t> last_;  // TargetState::id
  std::size_t under_way_ = 0;
  std::array<std::optional<Hold>, kAtOnceMax> holds_;
  // For supervised targets: what is going on there.
  std::array<std::optional<Upstream::Note>, kAtOnceMax> notes_;
  Hold* answered_ = nullptr;  // the last one of which an answer came
  bool failed_ = false;       // what was tried last
};

}  // namespace millrace::proxy
