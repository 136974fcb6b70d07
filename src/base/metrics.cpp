#include "base/metrics.hpp"

#include <charconv>
#include <memory>
#include <mutex>
#include <vector>

namespace millrace::metrics {
namespace {

/// All shards ever made, and those whose thread has ended.
struct Registry {
  std::mutex mutex;
  std::vector<std::unique_ptr<detail::Shard>> shards;
  std::vector<detail::Shard*> free;
};

Registry& registry() {
  // Never destroyed: threads may still count while the process exits.
  static Registry* const instance = new Registry;
  return *instance;
}

/// Gives the shard back when its thread ends.
struct Lease {
  detail::Shard* shard = nullptr;
  ~Lease() {
    if (shard == nullptr) return;
    detail::t_shard = nullptr;
    const std::scoped_lock lock(registry().mutex);
    registry().free.push_back(shard);
  }
};

using Slots = std::array<std::uint64_t, detail::kSlots>;

Slots sum() {
  Slots out{};
  const std::scoped_lock lock(registry().mutex);
  for (const auto& shard : registry().shards)
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] += shard->slots[i].load(std::memory_order_relaxed);
  return out;
}

void put_number(std::string& out, double value) {
  // 0.0001, not 1e-04; the longest double has 309 digits before the point.
  std::array<char, 512> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  out.append(text.data(), end);
}

void put_number(std::string& out, std::int64_t value) {
  out += std::to_string(value);
}

std::string_view type_name(Type type) noexcept {
  switch (type) {
    case Type::kCounter:
      return "counter";
    case Type::kGauge:
      return "gauge";
    case Type::kHistogram:
      return "histogram";
  }
  return {};
}

void put_header(std::string& out, const Info& row) {
  out.append("# HELP ").append(row.name).append(" ").append(row.help).append("\n");
  out.append("# TYPE ").append(row.name).append(" ").append(type_name(row.type)).append("\n");
}

/// {code="2xx",protocol="h2"}
void put_labels(std::string& out, const Info& row, std::size_t series) {
  const std::size_t inner = detail::values_of(row.labels[1]);
  const std::array<std::size_t, 2> positions{series / inner, series % inner};
  char separator = '{';
  for (std::size_t i = 0; i < row.labels.size(); ++i) {
    const Label& label = row.labels[i];
    if (label.name.empty()) continue;
    out.append(1, separator).append(label.name).append("=\"");
    out.append(label.values[positions[i]]).append("\"");
    separator = ',';
  }
  if (separator == ',') out += '}';
}

void put_plain(std::string& out, const Info& row, std::span<const std::uint64_t> slots) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    out.append(row.name);
    put_labels(out, row, i);
    out += ' ';
    // Gauges are sums of differences, which may have wrapped in a single shard.
    put_number(out, static_cast<std::int64_t>(slots[i]));
    out += '\n';
  }
}

void put_bucket(std::string& out, const Info& row, std::string_view bound, std::uint64_t count) {
  out.append(row.name).append("_bucket{le=\"").append(bound).append("\"} ");
  put_number(out, static_cast<std::int64_t>(count));
  out += '\n';
}

void put_histogram(std::string& out, const Info& row, std::span<const std::uint64_t> slots) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < kDurationBucketsUs.size(); ++i) {
    count += slots[i];
    std::string bound;
    put_number(bound, static_cast<double>(kDurationBucketsUs[i]) / 1e6);
    put_bucket(out, row, bound, count);
  }
  count += slots[kDurationBucketsUs.size()];
  put_bucket(out, row, "+Inf", count);
  out.append(row.name).append("_sum ");
  put_number(out, static_cast<double>(slots[kDurationBucketsUs.size() + 1]) / 1e6);
  out.append("\n").append(row.name).append("_count ");
  put_number(out, static_cast<std::int64_t>(count));
  out += '\n';
}

void put_sampled(std::string& out, const Info& row, std::span<const Sample> samples) {
  for (const Sample& sample : samples) {
    if (sample.metric != row.metric) continue;
    put_header(out, row);
    out.append(row.name).append(" ");
    put_number(out, sample.value);
    out += '\n';
    return;
  }
}

}  // namespace

detail::Shard& detail::attach() {
  static thread_local Lease lease;
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  if (r.free.empty()) {
    r.shards.push_back(std::make_unique<Shard>());
    lease.shard = r.shards.back().get();
  } else {
    lease.shard = r.free.back();
    r.free.pop_back();
  }
  t_shard = lease.shard;
  return *t_shard;
}

std::uint64_t total(Metric m) {
  const Slots slots = sum();
  const std::size_t at = static_cast<std::size_t>(m);
  std::size_t end = detail::kOffsets[at + 1];
  if (info(m).type == Type::kHistogram) --end;  // the last one is the sum of the values
  std::uint64_t out = 0;
  for (std::size_t i = detail::kOffsets[at]; i < end; ++i) out += slots[i];
  return out;
}

std::string render(std::span<const Sample> samples) {
  const Slots slots = sum();
  std::string out;
  out.reserve(8 * 1024);
  for (const Info& row : kTable) {
    if (row.sampled) {
      put_sampled(out, row, samples);
      continue;
    }
    const std::size_t first = detail::kOffsets[static_cast<std::size_t>(row.metric)];
    const auto own = std::span(slots).subspan(first, detail::slots_of(row));
    put_header(out, row);
    if (row.type == Type::kHistogram)
      put_histogram(out, row, own);
    else
      put_plain(out, row, own);
  }
  return out;
}

}  // namespace millrace::metrics
