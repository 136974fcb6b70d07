// Turns by weight, spread as evenly as they can be: with weights 5, 1, 1 a a b a c a a.
//
// nginx's smooth weighted round robin: everybody gains its weight, the richest is taken and pays
// the sum of all. Where all weights are equal it is plain rotation, which costs nothing per target.
//
// Thread rule: one thread.
#pragma once

#include "proxy/balancer.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace millrace::proxy {

class Turns {
 public:
  explicit Turns(unsigned seed) noexcept : seed_(seed) {}

  /// Who was there before keeps what it has saved, so that a change does not favour anybody.
  void set(std::span<const Candidate> candidates) {
    std::vector<Purse> purses;
    purses.reserve(candidates.size());
    equal_ = true;
    for (const Candidate& c : candidates) {
      purses.push_back({.id = c.state->id(), .weight = static_cast<std::int64_t>(c.weight)});
      for (const Purse& old : purses_)
        if (old.id == purses.back().id) purses.back().saved = old.saved;
      equal_ = equal_ && c.weight == candidates.front().weight;
    }
    purses_ = std::move(purses);
    if (purses_.empty()) return;
    if (!begun_) at_ = seed_;
    at_ %= purses_.size();
    if (!begun_) purses_[at_].saved = 1;  // between equals it goes first
    begun_ = true;
  }

  /// The index whose turn it is among those for which `may(index)`; at least one.
  template <class May>
  [[nodiscard]] std::size_t next(May may) noexcept {
    return equal_ ? rotate(may) : richest(may);
  }

 private:
  struct Purse {
    std::uint64_t id = 0;
    std::int64_t weight = 0;
    std::int64_t saved = 0;
  };

  template <class May>
  std::size_t rotate(May may) noexcept {
    std::size_t index = at_;
    while (!may(index)) index = index + 1 == purses_.size() ? 0 : index + 1;
    at_ = index + 1 == purses_.size() ? 0 : index + 1;
    return index;
  }

  template <class May>
  std::size_t richest(May may) noexcept {
    std::size_t best = SIZE_MAX;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < purses_.size(); ++i) {
      if (!may(i)) continue;
      purses_[i].saved += purses_[i].weight;
      sum += purses_[i].weight;
      if (best == SIZE_MAX || purses_[i].saved > purses_[best].saved) best = i;
    }
    purses_[best].saved -= sum;
    return best;
  }

  const unsigned seed_;
  std::vector<Purse> purses_;
  std::size_t at_ = 0;
  bool equal_ = true;
  bool begun_ = false;
};

}  // namespace millrace::proxy
