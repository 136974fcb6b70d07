// Which target of a group gets the next request. One policy per file in balancers/; its name in the
// list of meson.build makes it known.
//
// Thread rule: one io thread; every thread has its own.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace millrace::proxy {

/// What a policy sees of a target.
struct TargetState {
  unsigned weight = 1;    ///< 0: gets nothing
  bool available = true;  ///< false: known to be down
};

class Balancer {
 public:
  virtual ~Balancer() = default;
  /// The index of an available target of weight > 0; nullopt: there is none. `avoid` has just
  /// failed: it is taken only when there is no other.
  [[nodiscard]] virtual std::optional<std::size_t> pick(
      std::span<const TargetState> targets, std::optional<std::size_t> avoid) noexcept = 0;
};

/// `name` as in the configuration ("round_robin"); nullptr: there is none of that name. `seed`
/// tells the io threads apart, so that they do not all begin with the same target.
[[nodiscard]] std::unique_ptr<Balancer> make_balancer(std::string_view name, unsigned seed);
[[nodiscard]] std::span<const std::string_view> balancer_names() noexcept;

}  // namespace millrace::proxy
