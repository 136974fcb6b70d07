// Which target of a group gets the next request. One policy per file in balancers/; its name in the
// list of meson.build makes it known.
//
// A balancer sees only targets that may be used (proxy/eligible.hpp): who is down, drained or of a
// group that is not needed is not among them. It is told of every change.
//
// Thread rule: one io thread; every thread has its own.
#pragma once

#include "proxy/target_state.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace millrace::proxy {

/// What a policy sees of a target.
struct Candidate {
  const TargetState* state = nullptr;
  /// > 0. In hundredths where it starts slowly: compare only those of one set.
  std::uint64_t weight = 1;
  /// Whose keys it has (TargetSpec::seat); empty: those of its name. Outlives the set.
  std::string_view seat = {};
};

/// What a policy is told of a request.
struct PickContext {
  /// TargetState::id of those that have just failed: taken only when there is no other.
  std::span<const std::uint64_t> avoid = {};
  /// Likewise of those that have no place free now. Of another group none is taken for that.
  std::span<const std::uint64_t> busy = {};
  /// Of what requests that belong together share (proxy/request_key.hpp); nullopt: nothing.
  std::optional<std::uint64_t> key = std::nullopt;
  /// The value of the sticky cookie; empty: none.
  std::string_view sticky = {};

  [[nodiscard]] bool avoids(const TargetState& target) const noexcept {
    return has_failed(target) || std::ranges::find(busy, target.id()) != busy.end();
  }
  [[nodiscard]] bool has_failed(const TargetState& target) const noexcept {
    return std::ranges::find(avoid, target.id()) != avoid.end();
  }
  [[nodiscard]] bool avoids_nobody() const noexcept { return avoid.empty() && busy.empty(); }
};

class Balancer {
 public:
  virtual ~Balancer() = default;
  /// From now on these. They stay as they are until the next call. May be empty.
  virtual void set(std::span<const Candidate> candidates) = 0;
  /// An index into them; only where there is one at least. Allocates nothing.
  [[nodiscard]] virtual std::size_t pick(const PickContext& context) noexcept = 0;
};

/// `name` as in the configuration ("round_robin"); nullptr: there is none of that name. `seed`
/// tells the io threads apart, so that they do not all begin with the same target.
[[nodiscard]] std::unique_ptr<Balancer> make_balancer(std::string_view name, unsigned seed);
[[nodiscard]] std::span<const std::string_view> balancer_names() noexcept;

}  // namespace millrace::proxy
