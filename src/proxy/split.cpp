#include "proxy/split.hpp"

#include <utility>

namespace millrace::proxy {

Split::Split(std::vector<Share> shares, std::optional<RequestKey> key, std::uint64_t seed)
    : shares_(std::move(shares)), key_(std::move(key)), random_(seed) {
  for (const Share& share : shares_) total_ += share.weight;
}

Handler& Split::choose(const Exchange& exchange) {
  const std::optional<std::uint64_t> key = key_ ? key_of(*key_, exchange) : std::nullopt;
  // Mixed once more: an upstream's ring may go by the same key, and is to get all parts of it.
  std::uint64_t place = key ? Random(*key).below(total_) : random_.below(total_);
  for (const Share& share : shares_) {
    if (place < share.weight) return *share.handler;
    place -= share.weight;
  }
  return *shares_.back().handler;
}

}  // namespace millrace::proxy
