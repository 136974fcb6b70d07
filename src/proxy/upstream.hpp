// A group of targets that serve the same thing, as one io thread sees it.
//
// Targets come and go while it is used (UpstreamState::publish); a request in flight keeps its own.
// Which of them a request goes to: proxy/eligible.hpp says who may, a Balancer says who does.
//
// Ownership: keeps its origins (and so their idle connections) alive; the Client outlives it.
// Thread rule: made anywhere, used on one io thread.
#pragma once

#include "client/client.hpp"
#include "millrace/exchange.hpp"
#include "proxy/balancer.hpp"
#include "proxy/request_key.hpp"
#include "proxy/sticky.hpp"
#include "proxy/target_lease.hpp"
#include "proxy/upstream_state.hpp"
#include "runtime/wait_queue.hpp"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/intrusive/list.hpp>

namespace millrace::proxy {

/// What the Host field says upstream.
enum class HostPolicy : std::uint8_t {
  kPreserve,  ///< what the client asked for: the service sees its public name
  kTarget,    ///< the target's own name, as virtual hosts elsewhere need it
  kName,      ///< a fixed name
};

class Upstream {
 public:
  struct Options {
    std::string name;  ///< of the configuration: for logs, metrics and errors
    /// Published at the start; none: whoever has `state` publishes.
    std::vector<TargetSpec> targets;
    /// What the io threads share; nullptr: this one shares with nobody.
    std::shared_ptr<UpstreamState> state;
    std::string balance = "random_two";
    /// Which requests belong together, for ring_hash.
    RequestKey key;
    std::optional<StickyOptions> sticky;
    /// Share of healthy targets below which their health is not believed; see eligible.hpp.
    double panic_share = 0.25;
    HostPolicy host = HostPolicy::kPreserve;
    std::string host_name;  ///< for HostPolicy::kName
    /// Idle connections kept per target and io thread, and for how long at most.
    std::size_t idle_max = 256;
    Duration idle_age_max = std::chrono::seconds(60);
    /// Exchanges at once to one target from one io thread.
    std::size_t exchanges_max = 256;
  };

  /// `seed`: the io thread's index. Errors are texts for start-up.
  [[nodiscard]] static std::expected<std::unique_ptr<Upstream>, std::string> make(
      client::Client& client, Options options, unsigned seed);

  /// A target for one request. It is one of those to avoid only when there is no other; rather one
  /// of a group that stands by. Errors:
  /// kNoTarget (none is available), kCircuitOpen.
  [[nodiscard]] Result<TargetLease> pick(const PickContext& context = {});
  /// May it still be used for what has not begun?
  [[nodiscard]] bool may_use(const TargetLease& lease);
  /// Key or cookie say which target it is: it rather waits for that one than goes to another.
  [[nodiscard]] bool is_bound(const PickContext& context) const noexcept;
  /// What pick() wants to know of a request. Refers to it.
  [[nodiscard]] PickContext context_for(const Exchange& exchange) const;
  /// The Set-Cookie field that the answer of `target` needs, so that its client comes back to it;
  /// empty: none.
  [[nodiscard]] std::string cookie_for(const TargetLease& target, const Exchange& exchange) const;
  /// For all threads; this one has them at once.
  void set_targets(std::vector<TargetSpec> targets);
  /// Waits for a target that can be expected soon (UpstreamState::expect), one that `context` does
  /// not have avoided: for `deadline` at most, kWaitingMax requests at a time. Errors: kNoTarget,
  /// kQueueFull, kQueueTimeout, the scope's.
  [[nodiscard]] Task<Result<TargetLease>> await_target(PickContext context, TimePoint deadline);
  static constexpr Duration kTargetWaitMax = std::chrono::seconds(5);
  static constexpr std::size_t kWaitingMax = 1'024;
  /// Targets have been published: those who wait look again.
  void targets_changed() noexcept { waiting_.wake_all(); }

  /// A request that is at a target, for whoever asks what is going on there.
  class Note : public boost::intrusive::list_base_hook<
                   boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    /// Both outlive it.
    Note(Upstream& upstream, const TargetLease& lease, std::string_view request_id) noexcept
        : lease_(lease), request_id_(request_id) {
      upstream.notes_.push_back(*this);
    }

   private:
    friend Upstream;
    const TargetLease& lease_;
    const std::string_view request_id_;
  };
  /// Ids of the requests at `target`, and of the last one that was given up there.
  [[nodiscard]] std::vector<std::string> requests_at(std::string_view target) const;
  /// The request was given up at a deadline.
  void gave_up(const TargetLease& lease, std::string_view request_id);

  /// The Host field for a request to `target` whose client asked for `authority`.
  [[nodiscard]] std::string_view host_for(const TargetLease& target,
                                          std::string_view authority) const noexcept;

  /// Its limits count for the idle connections of its origins, whoever set them last (make() did).
  void limit_idle() noexcept;

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] client::Client& client() const noexcept { return client_; }
  [[nodiscard]] UpstreamState& state() const noexcept { return *state_; }

 private:
  Upstream(client::Client& client, Options options, unsigned seed);
  /// Makes what is published this thread's own. The error is of the first target that failed; the
  /// others are there.
  std::expected<void, std::string> refresh();
  [[nodiscard]] std::expected<LocalTargetPtr, std::string> local(const UpstreamState::Entry& entry);
  void limit(client::Origin& origin) const noexcept;
  void log_fault(const std::string& fault) const;
  void choose_from(const UpstreamState::Targets& targets);
  /// Sees what was published since the last time.
  void look();
  [[nodiscard]] const LocalTargetPtr& choose(const PickContext& context) noexcept;
  [[nodiscard]] std::size_t choose_index(const PickContext& context) noexcept;
  [[nodiscard]] std::optional<std::size_t> choose_sticky(const PickContext& context) const noexcept;

  client::Client& client_;
  const Options options_;
  const bool by_key_ = options_.balance == "ring_hash";
  const std::shared_ptr<UpstreamState> state_;
  std::unique_ptr<Balancer> balancer_;
  std::uint64_t seen_version_ = 0;
  std::shared_ptr<const UpstreamState::Targets> seen_;
  std::vector<LocalTargetPtr> targets_;  ///< parallel to *seen_; null: it could not be made
  std::vector<LocalTargetPtr> chosen_;   ///< those that may be used
  std::vector<Candidate> candidates_;    ///< parallel to chosen_
  std::vector<LocalTargetPtr> standby_;  ///< healthy ones of other groups, by priority
  class Turn;
  [[nodiscard]] Task<Result<void>> next_change();
  WaitQueue waiting_;
  std::size_t waiting_count_ = 0;
  boost::intrusive::list<Note, boost::intrusive::constant_time_size<false>> notes_;
  struct GivenUp {
    std::string target, request_id;
  } given_up_;
};

}  // namespace millrace::proxy
