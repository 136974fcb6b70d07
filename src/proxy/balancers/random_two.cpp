// The less busy one of two drawn at random: nearly as even as looking at all of them, at the cost
// of two, and many balancers that see the same loads do not all run to the same target
// (Mitzenmacher, The Power of Two Choices in Randomized Load Balancing).
//
// Drawn by weight, so that an idle group gets its shares too.
#include "proxy/balancer.hpp"
#include "proxy/balancers/load.hpp"
#include "proxy/random.hpp"

#include <vector>

namespace millrace::proxy {
namespace {

class RandomTwo final : public Balancer {
 public:
  explicit RandomTwo(unsigned seed) noexcept : random_(seed) {}

  void set(std::span<const Candidate> candidates) override {
    candidates_ = candidates;
    sums_.clear();
    std::uint64_t sum = 0;
    for (const Candidate& c : candidates) sums_.push_back(sum += c.weight);
  }

  std::size_t pick(const PickContext& context) noexcept override {
    if (candidates_.size() == 1) return 0;
    const std::size_t first = draw();
    const std::size_t second = draw_other(first);
    const bool first_avoided = context.avoids(*candidates_[first].state);
    const bool second_avoided = context.avoids(*candidates_[second].state);
    if (first_avoided && second_avoided) return any_but(context, first);
    if (first_avoided != second_avoided) return first_avoided ? second : first;
    return Load(candidates_[second]) < Load(candidates_[first]) ? second : first;
  }

 private:
  std::size_t draw() noexcept {
    const std::uint64_t ticket = random_.below(sums_.back());
    const auto at = std::ranges::upper_bound(sums_, ticket);
    return static_cast<std::size_t>(at - sums_.begin());
  }

  /// By weight too: as if `taken` were not there.
  std::size_t draw_other(std::size_t taken) noexcept {
    const std::uint64_t weight = candidates_[taken].weight;
    std::uint64_t ticket = random_.below(sums_.back() - weight);
    if (ticket >= sums_[taken] - weight) ticket += weight;
    const auto at = std::ranges::upper_bound(sums_, ticket);
    return static_cast<std::size_t>(at - sums_.begin());
  }

  std::size_t any_but(const PickContext& context, std::size_t last_resort) noexcept {
    const std::size_t from = random_.below(candidates_.size());
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      const std::size_t at = (from + i) % candidates_.size();
      if (!context.avoids(*candidates_[at].state)) return at;
    }
    return last_resort;
  }

  std::span<const Candidate> candidates_;
  std::vector<std::uint64_t> sums_;  // of the weights up to each
  Random random_;
};

}  // namespace

std::unique_ptr<Balancer> make_random_two(unsigned seed) {
  return std::make_unique<RandomTwo>(seed);
}

}  // namespace millrace::proxy
