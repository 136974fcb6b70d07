// Requests of one key go to one target, as long as it is there: a ring of points, several per
// target (Karger et al., Consistent Hashing; ketama). When one of N targets goes, its keys alone
// move, about 1/N of all, spread over the others; when it comes back, it gets the same ones.
//
// The points follow from the names of the targets' seats, so all threads, and all servers with the
// same configuration, agree, and whoever takes the place of another has its keys. While two are in
// one seat their points coincide: the newer one's come first, the older one is the next to be asked
// after it. Requests without a key go anywhere.
#include "proxy/balancer.hpp"
#include "proxy/random.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::proxy {
namespace {

/// Of the heaviest target: shares are even to some 8 %.
constexpr std::uint64_t kPointsPerTarget = 160;
constexpr std::uint64_t kPointsMax = 1U << 16;

std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return mix_bits(hash);
}

class RingHash final : public Balancer {
 public:
  explicit RingHash(unsigned seed) noexcept : random_(seed) {}

  void set(std::span<const Candidate> candidates) override {
    candidates_ = candidates;
    points_.clear();
    if (candidates.empty()) return;
    const std::uint64_t heaviest = std::ranges::max(candidates, {}, &Candidate::weight).weight;
    const std::uint64_t most =
        std::clamp<std::uint64_t>(kPointsMax / candidates.size(), 1, kPointsPerTarget);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const std::uint64_t count =
          std::max<std::uint64_t>(most * candidates[i].weight / heaviest, 1);
      const Candidate& candidate = candidates[i];
      std::uint64_t at = hash_of(candidate.seat.empty() ? candidate.state->name() : candidate.seat);
      for (std::uint64_t n = 0; n < count; ++n)
        points_.push_back({mix_bits(at += 0x9e3779b97f4a7c15), static_cast<std::uint32_t>(i)});
    }
    std::ranges::sort(points_, [&](const Point& a, const Point& b) {
      if (a.at != b.at) return a.at < b.at;
      return candidates[a.target].state->id() > candidates[b.target].state->id();
    });
  }

  std::size_t pick(const PickContext& context) noexcept override {
    const std::uint64_t key = mix_bits(context.key ? *context.key : random_.next());
    const auto found = std::ranges::lower_bound(points_, key, {}, &Point::at);
    const auto first = static_cast<std::size_t>(found - points_.begin()) % points_.size();
    if (context.avoids_nobody()) return points_[first].target;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      const std::uint32_t target = points_[(first + i) % points_.size()].target;
      if (!context.avoids(*candidates_[target].state)) return target;
    }
    return points_[first].target;
  }

 private:
  struct Point {
    std::uint64_t at;
    std::uint32_t target;
  };
  std::span<const Candidate> candidates_;
  std::vector<Point> points_;
  Random random_;  // for requests without a key
};

}  // namespace

std::unique_ptr<Balancer> make_ring_hash(unsigned seed) {
  return std::make_unique<RingHash>(seed);
}

}  // namespace millrace::proxy
