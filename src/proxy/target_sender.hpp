// One try at a request to an upstream: picks a target, never the one that was just tried while
// there is another, waits for a place where targets have limits, and sends.
//
// Of targets with limits one is picked that has room, unless key or cookie say which one it must
// be. Who waits at a target holds up nobody else: it has no place in the upstream meanwhile. When
// its target may be used no longer, it picks another one.
//
// Ownership: of one exchange; outlives its responses. Keeps its lease of the target until it dies,
// or until the next try begins when none is under way. Thread rule: one io thread.
#pragma once

#include "client/sender.hpp"
#include "millrace/body_source.hpp"
#include "millrace/target_use.hpp"
#include "proxy/upstream.hpp"
#include "proxy/upstream_limits.hpp"
#include "proxy/upstream_place.hpp"

#include <array>
#include <chrono>
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
    UpstreamPlace& place;
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
  // Until the end of a supervised instance is known, and it is no target any more.
  static constexpr Duration kReplacementWait = std::chrono::milliseconds(250);

  /// A target for one try, and the place at it where places are limited.
  struct Hold {
    // Destroyed in this order from below, and never assigned: the place before its owner.
    TargetLease lease;
    std::shared_ptr<Admission> limit;
    Admission::Permit place;
  };

  /// The body of a request, whose pieces count as a sign of life of a supervised target: it takes
  /// them.
  class WatchedBody final : public BodySource {
   public:
    WatchedBody(BodySource& body, TargetUse::Shard& use) noexcept : body_(body), use_(use) {}
    [[nodiscard]] http::BodyLength length() const noexcept override { return body_.length(); }
    [[nodiscard]] Task<Result<Bytes>> read() override {
      use_.progress();
      return body_.read();
    }
    [[nodiscard]] const http::Fields* trailers() const noexcept override {
      return body_.trailers();
    }
    [[nodiscard]] bool rewind() noexcept override { return body_.rewind(); }

   private:
    BodySource& body_;
    TargetUse::Shard& use_;
  };

  class UseWatch;

  [[nodiscard]] PickContext context() const;
  [[nodiscard]] Result<TargetLease> pick();
  [[nodiscard]] Hold enter_at(TargetLease lease);
  [[nodiscard]] Result<Hold> hold_of(Result<TargetLease> lease);
  [[nodiscard]] bool is_expected() const noexcept;
  [[nodiscard]] bool has_just_failed(const TargetLease& lease) const noexcept;
  void note(std::size_t slot, client::Request& request);
  [[nodiscard]] Result<Hold> pick_with_room();
  /// False: there is none to be had at once; wait_for_hold() waits for one, or for a place at the
  /// one that is held.
  [[nodiscard]] Result<bool> hold_at_once(std::optional<Hold>& hold);
  [[nodiscard]] Task<Result<void>> wait_for_hold(std::optional<Hold>& hold);
  [[nodiscard]] Task<Result<void>> wait_for_room(std::optional<Hold>& hold);
  [[nodiscard]] Task<Result<bool>> wait_at(Hold& hold);
  [[nodiscard]] Task<Result<TargetLease>> await_lease();
  [[nodiscard]] Task<Result<client::Response>> send_from(std::size_t slot,
                                                         client::Request& request);
  void ended(std::size_t slot, bool answered) noexcept;
  void release(std::size_t slot) noexcept;
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
  Hold* answered_ = nullptr;    // the last one of which an answer came
  bool failed_ = false;         // what was tried last
  BodySource* body_ = nullptr;  // the request's own
  std::optional<WatchedBody> watched_;
};

}  // namespace millrace::proxy
