// One after the other, by weight. For requests that all cost about the same.
#include "proxy/balancer.hpp"
#include "proxy/balancers/turns.hpp"

namespace millrace::proxy {
namespace {

class RoundRobin final : public Balancer {
 public:
  explicit RoundRobin(unsigned seed) noexcept : turns_(seed) {}

  void set(std::span<const Candidate> candidates) override {
    candidates_ = candidates;
    turns_.set(candidates);
  }

  std::size_t pick(const PickContext& context) noexcept override {
    const auto wanted = [&](std::size_t i) { return !context.avoids(*candidates_[i].state); };
    if (context.avoids_nobody()) return turns_.next([](std::size_t) { return true; });
    for (std::size_t i = 0; i < candidates_.size(); ++i)
      if (wanted(i)) return turns_.next(wanted);
    return turns_.next([](std::size_t) { return true; });
  }

 private:
  std::span<const Candidate> candidates_;
  Turns turns_;
};

}  // namespace

std::unique_ptr<Balancer> make_round_robin(unsigned seed) {
  return std::make_unique<RoundRobin>(seed);
}

}  // namespace millrace::proxy
