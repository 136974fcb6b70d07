// The one with the fewest requests in flight per weight; turns among equals. Looks at every target
// for each request: for groups of some dozens at most.
#include "proxy/balancer.hpp"
#include "proxy/balancers/load.hpp"
#include "proxy/balancers/turns.hpp"

#include <vector>

namespace millrace::proxy {
namespace {

class LeastRequests final : public Balancer {
 public:
  explicit LeastRequests(unsigned seed) noexcept : turns_(seed) {}

  void set(std::span<const Candidate> candidates) override {
    candidates_ = candidates;
    turns_.set(candidates);
    least_.assign(candidates.size(), false);
  }

  std::size_t pick(const PickContext& context) noexcept override {
    std::optional<Load> least;
    std::size_t from = 0;  // nobody before is among the least
    bool wanted = false;   // the least are none to avoid
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      const bool good = !context.avoids(*candidates_[i].state);
      const Load load(candidates_[i]);
      const bool better = !least || good > wanted || (good == wanted && load < *least);
      least_[i] = better || (good == wanted && load == *least);
      if (!better) continue;
      from = i;
      least = load;
      wanted = good;
    }
    return turns_.next([this, from](std::size_t i) { return i >= from && least_[i]; });
  }

 private:
  std::span<const Candidate> candidates_;
  std::vector<bool> least_;
  Turns turns_;
};

}  // namespace

std::unique_ptr<Balancer> make_least_requests(unsigned seed) {
  return std::make_unique<LeastRequests>(seed);
}

}  // namespace millrace::proxy
