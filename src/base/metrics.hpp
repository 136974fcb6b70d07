// Counters, gauges and histograms of the process, declared in one table and rendered as Prometheus
// text (exposition format 0.0.4).
//
// Every thread that counts has a shard of its own: one writer per number, relaxed atomics, no
// locked instruction. A scrape sums the shards. A shard outlives its thread and is given to the
// next one, so that no count is lost and nothing grows with the number of threads ever started.
//
//   metrics::add(Metric::kConnectionsAccepted);
//   metrics::add(Metric::kRequests, n, metrics::series(Metric::kRequests, code_class, protocol));
//
// Labels are bounded by their table row: a label whose values a client may choose does not fit in
// here. Thread rule: add, subtract and observe from any thread, on its own shard; render from any.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace::metrics {

enum class Metric : std::uint8_t {
  // What clients did.
  kConnectionsAccepted,
  kConnectionsActive,
  kRequests,
  kRequestDuration,
  kRequestBytes,
  kResponseBytes,
  kRequestsAborted,
  kClientGone,

  // What upstreams did.
  kUpstreamRequests,
  kUpstreamConnections,
  kUpstreamConnectionsReused,
  kUpstreamRetries,
  kMirrored,
  kMirrorDropped,
  kUpstreamErrors,
  kDnsQueries,
  kDnsCacheHits,
  kDnsErrors,

  // Sampled: whoever renders brings the value.
  kOffloadQueued,
  kOffloadRunning,
  kOffloadCompleted,
  kOffloadRefused,
  kLogDropped,
  kDraining,
  kReloads,
  kReloadFailures,
  kReloadOk,
  kConfigurationsInUse,
  kProcessCpu,
  kProcessResident,
  kProcessOpenFds,
  kProcessMaxFds,
  kProcessStart,
  kCount_
};

enum class Type : std::uint8_t { kCounter, kGauge, kHistogram };

/// One label and all the values it can take.
struct Label {
  std::string_view name;
  std::span<const std::string_view> values;
};

struct Info {
  Metric metric;
  std::string_view name;
  Type type;
  std::string_view help;
  std::array<Label, 2> labels{};  ///< unused ones have no name
  bool sampled = false;
};

/// Values of the label `code` of kRequests; kNoAnswer: the client was gone before there was one.
enum class CodeClass : std::uint8_t { k1xx, k2xx, k3xx, k4xx, k5xx, kNoAnswer };
inline constexpr std::array<std::string_view, 6> kCodeClasses{"1xx", "2xx", "3xx",
                                                              "4xx", "5xx", "none"};
[[nodiscard]] constexpr CodeClass code_class(int status) noexcept {
  return status >= 100 && status < 600 ? static_cast<CodeClass>(status / 100 - 1)
                                       : CodeClass::kNoAnswer;
}

/// Values of the label `protocol`, in the order of http::Version.
inline constexpr std::array<std::string_view, 3> kProtocols{"http/1.0", "http/1.1", "h2"};

/// Upper bounds of the duration buckets in microseconds: from a cached answer to a slow upstream.
inline constexpr std::array<std::uint64_t, 18> kDurationBucketsUs{
    50,     100,     250,     500,     1'000,     2'500,     5'000,      10'000,     25'000,
    50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 10'000'000, 30'000'000, 60'000'000};

// clang-format off
inline constexpr std::array<Info, static_cast<std::size_t>(Metric::kCount_)> kTable{{
    {Metric::kConnectionsAccepted, "millrace_connections_accepted_total", Type::kCounter,
     "Connections accepted from clients."},
    {Metric::kConnectionsActive, "millrace_connections_active", Type::kGauge,
     "Connections of clients that are open now."},
    {Metric::kRequests, "millrace_requests_total", Type::kCounter,
     "Requests answered, by class of the status code and protocol.",
     {{{"code", kCodeClasses}, {"protocol", kProtocols}}}},
    {Metric::kRequestDuration, "millrace_request_duration_seconds", Type::kHistogram,
     "Time from a request's first byte to the end of its answer."},
    {Metric::kRequestBytes, "millrace_request_body_bytes_total", Type::kCounter,
     "Body bytes received from clients."},
    {Metric::kResponseBytes, "millrace_response_body_bytes_total", Type::kCounter,
     "Body bytes sent to clients."},
    {Metric::kRequestsAborted, "millrace_requests_aborted_total", Type::kCounter,
     "Answers that were begun and could not be finished."},
    {Metric::kClientGone, "millrace_client_gone_seconds", Type::kHistogram,
     "How long upstreams had worked on requests (499) whose client went away."},

    {Metric::kUpstreamRequests, "millrace_upstream_requests_total", Type::kCounter,
     "Requests sent to upstreams, retries included."},
    {Metric::kUpstreamConnections, "millrace_upstream_connections_total", Type::kCounter,
     "Connections opened to upstreams."},
    {Metric::kUpstreamConnectionsReused, "millrace_upstream_connections_reused_total",
     Type::kCounter, "Requests to upstreams that found an idle connection."},
    {Metric::kUpstreamRetries, "millrace_upstream_retries_total", Type::kCounter,
     "Requests that were sent to an upstream again."},
    {Metric::kMirrored, "millrace_mirrored_requests_total", Type::kCounter,
     "Copies of requests made for a mirror."},
    {Metric::kMirrorDropped, "millrace_mirror_dropped_total", Type::kCounter,
     "Requests a mirror was to have that were not copied: too many at once, or a body that was not "
     "held in memory."},
    {Metric::kUpstreamErrors, "millrace_upstream_errors_total", Type::kCounter,
     "Requests to upstreams that ended without a whole answer."},
    {Metric::kDnsQueries, "millrace_dns_queries_total", Type::kCounter,
     "Names asked of the resolver."},
    {Metric::kDnsCacheHits, "millrace_dns_cache_hits_total", Type::kCounter,
     "Names answered from the DNS cache."},
    {Metric::kDnsErrors, "millrace_dns_errors_total", Type::kCounter,
     "Names that could not be resolved."},

    {Metric::kOffloadQueued, "millrace_offload_queued", Type::kGauge,
     "Jobs that wait for the CPU pool.", {}, true},
    {Metric::kOffloadRunning, "millrace_offload_running", Type::kGauge,
     "Jobs that run on the CPU pool.", {}, true},
    {Metric::kOffloadCompleted, "millrace_offload_completed_total", Type::kCounter,
     "Jobs the CPU pool has done.", {}, true},
    {Metric::kOffloadRefused, "millrace_offload_refused_total", Type::kCounter,
     "Jobs refused because the CPU pool's queue was full.", {}, true},
    {Metric::kLogDropped, "millrace_log_dropped_total", Type::kCounter,
     "Log lines lost because their reader or disk did not keep up.", {}, true},
    {Metric::kDraining, "millrace_draining", Type::kGauge,
     "1 while the server is going down.", {}, true},
    {Metric::kReloads, "millrace_reloads_total", Type::kCounter,
     "Reloads of the configuration that were done.", {}, true},
    {Metric::kReloadFailures, "millrace_reload_failures_total", Type::kCounter,
     "Reloads that changed nothing.", {}, true},
    {Metric::kReloadOk, "millrace_reload_ok", Type::kGauge,
     "1 unless the last reload failed.", {}, true},
    {Metric::kConfigurationsInUse, "millrace_configurations_in_use", Type::kGauge,
     "Configurations that requests in flight still have, the current one included.", {}, true},
    // The names that Prometheus' own client libraries use.
    {Metric::kProcessCpu, "process_cpu_seconds_total", Type::kCounter,
     "User and system CPU time spent.", {}, true},
    {Metric::kProcessResident, "process_resident_memory_bytes", Type::kGauge,
     "Resident memory.", {}, true},
    {Metric::kProcessOpenFds, "process_open_fds", Type::kGauge,
     "Open file descriptors.", {}, true},
    {Metric::kProcessMaxFds, "process_max_fds", Type::kGauge,
     "File descriptors that may be open at most.", {}, true},
    {Metric::kProcessStart, "process_start_time_seconds", Type::kGauge,
     "When the process was started, in seconds since the epoch.", {}, true},
}};
// clang-format on

[[nodiscard]] constexpr const Info& info(Metric m) noexcept {
  return kTable[static_cast<std::size_t>(m)];
}

namespace detail {

[[nodiscard]] constexpr std::size_t values_of(const Label& label) noexcept {
  return label.name.empty() ? 1 : label.values.size();
}

/// Numbers a metric needs in a shard. A histogram: its buckets, the one above them, the sum.
[[nodiscard]] constexpr std::size_t slots_of(const Info& row) noexcept {
  if (row.sampled) return 0;
  if (row.type == Type::kHistogram) return kDurationBucketsUs.size() + 2;
  return values_of(row.labels[0]) * values_of(row.labels[1]);
}

consteval auto make_offsets() {
  std::array<std::size_t, kTable.size() + 1> offsets{};
  for (std::size_t i = 0; i < kTable.size(); ++i) offsets[i + 1] = offsets[i] + slots_of(kTable[i]);
  return offsets;
}
inline constexpr auto kOffsets = make_offsets();
inline constexpr std::size_t kSlots = kOffsets.back();

consteval bool rows_in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (kTable[i].metric != static_cast<Metric>(i)) return false;
  return true;
}
static_assert(rows_in_order(), "one row per enumerator, in the enumerators' order");

struct alignas(64) Shard {
  std::array<std::atomic<std::uint64_t>, kSlots> slots{};

  void add(std::size_t slot, std::uint64_t n) noexcept {
    std::atomic<std::uint64_t>& s = slots[slot];
    s.store(s.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
};

inline thread_local constinit Shard* t_shard = nullptr;
/// Gives the calling thread a shard until it ends.
Shard& attach();

[[nodiscard]] inline Shard& shard() {
  return t_shard != nullptr ? *t_shard : attach();
}

}  // namespace detail

/// Which of a metric's numbers: the position of each label's value.
[[nodiscard]] constexpr std::size_t series(Metric m, std::size_t first,
                                           std::size_t second = 0) noexcept {
  return first * detail::values_of(info(m).labels[1]) + second;
}

inline void add(Metric m, std::uint64_t n = 1, std::size_t series = 0) {
  detail::shard().add(detail::kOffsets[static_cast<std::size_t>(m)] + series, n);
}
/// Gauges only. Need not be the thread that added.
inline void subtract(Metric m, std::uint64_t n = 1) {
  add(m, std::uint64_t{0} - n);
}
/// Histograms only.
inline void observe(Metric m, std::uint64_t microseconds) {
  const std::size_t first = detail::kOffsets[static_cast<std::size_t>(m)];
  std::size_t bucket = 0;
  while (bucket < kDurationBucketsUs.size() && microseconds > kDurationBucketsUs[bucket]) ++bucket;
  detail::Shard& shard = detail::shard();
  shard.add(first + bucket, 1);
  shard.add(first + kDurationBucketsUs.size() + 1, microseconds);
}

/// The sum of a metric's numbers over all threads and label values; 0 for sampled ones. Of a
/// histogram: how many observations.
[[nodiscard]] std::uint64_t total(Metric m);

/// The value of a sampled metric at the time of the scrape.
struct Sample {
  Metric metric;
  double value;
};

/// Everything as Prometheus text. Sampled metrics without a sample are left out.
[[nodiscard]] std::string render(std::span<const Sample> samples);

/// CPU, memory, descriptors and start time of this process, read from /proc.
[[nodiscard]] std::array<Sample, 5> process_samples();

}  // namespace millrace::metrics
