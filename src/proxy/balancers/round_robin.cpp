// One after the other; a target of weight 3 gets three requests in a row. The default wherever
// requests cost about the same.
#include "proxy/balancer.hpp"

namespace millrace::proxy {
namespace {

class RoundRobin final : public Balancer {
 public:
  explicit RoundRobin(unsigned seed) noexcept : at_(seed) {}

  std::optional<std::size_t> pick(std::span<const TargetState> targets,
                                  std::optional<std::size_t> avoid) noexcept override {
    if (targets.empty()) return std::nullopt;
    std::optional<std::size_t> last_resort;
    // Once round, and the one in whose turn we are a second time.
    for (std::size_t tried = 0; tried <= targets.size(); ++tried) {
      const std::size_t index = at_ % targets.size();
      const TargetState& target = targets[index];
      const bool usable = target.available && given_ < target.weight;
      if (usable && avoid != index) {
        ++given_;
        return index;
      }
      if (target.available && target.weight > 0) last_resort = index;
      at_ = index + 1;
      given_ = 0;
    }
    return last_resort;
  }

 private:
  std::size_t at_;
  unsigned given_ = 0;  // to the target at at_, in this turn
};

}  // namespace

std::unique_ptr<Balancer> make_round_robin(unsigned seed) {
  return std::make_unique<RoundRobin>(seed);
}

}  // namespace millrace::proxy
