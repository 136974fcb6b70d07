// One request's hold on a target: counted as in flight while it lives, and how the target's health
// hears of it.
//
//   Result<TargetLease> lease = upstream.pick();
//   if (!lease) ...                                   // nobody is available
//   request.origin = lease->origin();
//   Result<Response> response = co_await client.fetch(request);
//   if (!response) lease->failed(response.error());   // or
//   lease->answered(response->status());              // the head came
//   ... the body ...
//   lease->finished(passed);                          // how the rest went
//
// A lease of which nothing of that is said (the request was given up) says nothing of the target.
//
// Thread rule: the io thread of its Upstream, which outlives it.
#pragma once

#include "client/client.hpp"
#include "proxy/target_state.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

namespace millrace::proxy {

class UpstreamState;

/// A target as one io thread has it.
struct LocalTarget
    : boost::intrusive_ref_counter<LocalTarget, boost::sp_adl_block::thread_unsafe_counter> {
  TargetSpec spec;
  client::OriginPtr origin;
  std::shared_ptr<TargetState> state;
  std::string authority;  ///< of its own
  std::string token;      ///< the value of the sticky cookie; empty: there is no such cookie
};
using LocalTargetPtr = boost::intrusive_ptr<LocalTarget>;

/// 502, 503 and 504: somebody on the way to the service, or in place of it, has given up.
[[nodiscard]] constexpr bool is_gateway_failure(int status) noexcept {
  return status >= 502 && status <= 504;
}
/// Is it the target's fault? What the client or we have given up is nobody's.
[[nodiscard]] Outcome judge(const Error& error, bool answered) noexcept;

class TargetLease {
 public:
  TargetLease() = default;
  /// `target` has begun a request: TargetState::begin.
  /// `probes`: for the upstream's breaker.
  TargetLease(LocalTargetPtr target, UpstreamState& upstream, TimePoint now, bool probes) noexcept;
  TargetLease(TargetLease&& other) noexcept { *this = std::move(other); }
  TargetLease& operator=(TargetLease&& other) noexcept;
  ~TargetLease() { release(); }

  [[nodiscard]] explicit operator bool() const noexcept { return target_ != nullptr; }
  /// For PickContext::avoid.
  [[nodiscard]] std::uint64_t id() const noexcept { return target_->state->id(); }
  [[nodiscard]] const std::string& name() const noexcept { return target_->spec.name; }
  [[nodiscard]] const client::OriginPtr& origin() const noexcept { return target_->origin; }
  [[nodiscard]] const std::string& authority() const noexcept { return target_->authority; }
  /// What the sticky cookie says for it; empty: there is no such cookie.
  [[nodiscard]] const std::string& token() const noexcept { return target_->token; }

  /// After a wait for a place: what it takes counts from here.
  void begins_now() noexcept;
  /// It waits and tells nothing soon: another request may probe for the breaker meanwhile.
  void give_up_probe() noexcept;
  /// The head of the answer came.
  void answered(int status) noexcept;
  /// There was no answer.
  void failed(const Error& error) noexcept;
  /// For pieces of the answer; nullptr: nobody counts them.
  [[nodiscard]] TargetUse::Shard* use() const noexcept { return use_; }
  /// How the answer's body and the rest went.
  void finished(const Result<void>& outcome) noexcept;

 private:
  void release() noexcept;

  LocalTargetPtr target_;
  UpstreamState* upstream_ = nullptr;
  TargetUse::Shard* use_ = nullptr;
  TimePoint began_{};
  Outcome outcome_ = Outcome::kNeither;
  Errc cause_ = Errc::kCount_;
  bool answered_ = false;
  bool probes_ = false;
};

}  // namespace millrace::proxy
