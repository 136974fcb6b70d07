#include "net/srv_order.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace millrace::net {

namespace {

/// The record whose running sum of weights is the first to reach `chosen`.
std::size_t find_by_weight(std::span<const SrvRecord> records, std::uint32_t chosen) noexcept {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < records.size(); ++i) {
    sum += records[i].weight;
    if (sum >= chosen) return i;
  }
  return records.size() - 1;
}

void order_by_weight(std::span<SrvRecord> records, const RandomUpTo& random) {
  // At most 65,535 records of at most 65,535: the sum fits.
  std::uint32_t sum = 0;
  for (const SrvRecord& r : records) sum += r.weight;
  for (; records.size() > 1; records = records.subspan(1)) {
    const auto chosen =
        records.begin() + static_cast<std::ptrdiff_t>(find_by_weight(records, random(sum)));
    sum -= chosen->weight;
    std::rotate(records.begin(), chosen, chosen + 1);
  }
}

}  // namespace

void order_srv(std::vector<SrvRecord>& records, const RandomUpTo& random) {
  // Weight 0 goes first within a priority, as the RFC has it.
  std::ranges::sort(records, [](const SrvRecord& a, const SrvRecord& b) {
    return a.priority != b.priority ? a.priority < b.priority : a.weight == 0 && b.weight != 0;
  });
  for (auto first = records.begin(); first != records.end();) {
    const auto last = std::find_if(
        first, records.end(), [&](const SrvRecord& r) { return r.priority != first->priority; });
    order_by_weight({first, last}, random);
    first = last;
  }
}

}  // namespace millrace::net
