#include "base/metrics.hpp"

#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::metrics {
namespace {

/// The value of one line of the exposition.
double value_of(const std::string& text, const std::string& series) {
  const std::size_t at = text.find("\n" + series + " ");
  EXPECT_NE(at, std::string::npos) << series;
  return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
}

TEST(MetricTable, NamesFollowTheRules) {
  std::set<std::string_view> names;
  for (const Info& row : kTable) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(row.name.starts_with("millrace_") || row.name.starts_with("process_")) << row.name;
    EXPECT_EQ(row.name.ends_with("_total"), row.type == Type::kCounter) << row.name;
    EXPECT_TRUE(row.help.ends_with('.')) << row.name;
  }
}

TEST(Metrics, SumOverThreadsThatHaveEndedToo) {
  const std::uint64_t before = total(Metric::kDnsQueries);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int n = 0; n < 1000; ++n) add(Metric::kDnsQueries);
    });
  for (std::thread& t : threads) t.join();
  add(Metric::kDnsQueries, 5);
  EXPECT_EQ(total(Metric::kDnsQueries) - before, 4005U);
}

TEST(Metrics, AGaugeMayRiseAndFallOnDifferentThreads) {
  const std::string series = "millrace_connections_active";
  const double before = value_of(render({}), series);
  add(Metric::kConnectionsActive, 3);
  std::thread([] { subtract(Metric::kConnectionsActive, 5); }).join();
  EXPECT_EQ(value_of(render({}), series), before - 2);
  add(Metric::kConnectionsActive, 2);
}

TEST(Metrics, LabelsAreCountedApart) {
  const std::string ok = "millrace_requests_total{code=\"2xx\",protocol=\"h2\"}";
  const std::string bad = "millrace_requests_total{code=\"4xx\",protocol=\"http/1.1\"}";
  const std::string before = render({});
  add(Metric::kRequests, 2,
      series(Metric::kRequests, static_cast<std::size_t>(code_class(204)), 2));
  add(Metric::kRequests, 1,
      series(Metric::kRequests, static_cast<std::size_t>(code_class(404)), 1));
  const std::string after = render({});
  EXPECT_EQ(value_of(after, ok), value_of(before, ok) + 2);
  EXPECT_EQ(value_of(after, bad), value_of(before, bad) + 1);
}

TEST(Metrics, CodeClassesCoverEveryStatus) {
  EXPECT_EQ(code_class(101), CodeClass::k1xx);
  EXPECT_EQ(code_class(599), CodeClass::k5xx);
  EXPECT_EQ(code_class(0), CodeClass::kNoAnswer);
  EXPECT_EQ(code_class(600), CodeClass::kNoAnswer);
}

TEST(Metrics, HistogramBucketsAreCumulative) {
  const auto bucket = [](const std::string& text, const std::string& le) {
    return value_of(text, "millrace_request_duration_seconds_bucket{le=\"" + le + "\"}");
  };
  const std::string before = render({});
  observe(Metric::kRequestDuration, 50);           // on a bound: inside
  observe(Metric::kRequestDuration, 51);           // just over
  observe(Metric::kRequestDuration, 100'000'000);  // above all
  const std::string after = render({});
  EXPECT_EQ(bucket(after, "0.00005") - bucket(before, "0.00005"), 1);
  EXPECT_EQ(bucket(after, "0.0001") - bucket(before, "0.0001"), 2);
  EXPECT_EQ(bucket(after, "60") - bucket(before, "60"), 2);
  EXPECT_EQ(bucket(after, "+Inf") - bucket(before, "+Inf"), 3);
  EXPECT_NEAR(value_of(after, "millrace_request_duration_seconds_sum") -
                  value_of(before, "millrace_request_duration_seconds_sum"),
              100.000101, 1e-6);
}

TEST(Metrics, SampledOnesComeFromTheCaller) {
  const std::vector<Sample> samples{{Metric::kOffloadQueued, 7}};
  EXPECT_EQ(value_of(render(samples), "millrace_offload_queued"), 7);
  EXPECT_FALSE(render({}).contains("millrace_offload_queued"));
}

TEST(Metrics, TheProcessIsMeasured) {
  const std::string text = render(process_samples());
  EXPECT_GT(value_of(text, "process_resident_memory_bytes"), 100'000);
  EXPECT_GE(value_of(text, "process_open_fds"), 3);
  EXPECT_GE(value_of(text, "process_max_fds"), value_of(text, "process_open_fds"));
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const double start = value_of(text, "process_start_time_seconds");
  EXPECT_LE(start, static_cast<double>(now.tv_sec) + 1);
  EXPECT_GT(start, static_cast<double>(now.tv_sec) - 3600);
}

}  // namespace
}  // namespace millrace::metrics
