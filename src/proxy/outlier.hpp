// Which targets are to be left alone for a while, judged by what became of the requests to them
// (passive health; Envoy's outlier detection).
//
// A target is ejected
//   - for `failures` in a row: connections refused, reset or silent, answers 502, 503, 504;
//   - when of an interval's requests at least `error_percent` failed, and more than twice the share
//     of the others' together: if everybody fails it is not the target;
//   - when its answers take on average `slow_factor` times what those of the median of the others
//     take.
// It is left alone for `eject` times the number of its ejections, at most `eject_max`; an interval
// without one takes one off. After its return the first failure is one too many, until a request
// has succeeded. Never are more than `ejected_percent_max` ejected at once (but one, where there
// are two or more), and never the last one that is well.
//
// Pure: whoever calls brings the numbers and the time. Thread rule: one thread at a time.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::proxy {

class OutlierDetector {
 public:
  struct Options {
    unsigned failures = 5;       ///< in a row; 0: this rule is off
    unsigned error_percent = 0;  ///< 0: off
    unsigned slow_factor = 0;    ///< 0: off
    Duration interval = std::chrono::seconds(10);
    /// Rates and times of fewer requests in an interval say nothing.
    unsigned requests_min = 20;
    Duration eject = std::chrono::seconds(10);
    Duration eject_max = std::chrono::seconds(300);
    unsigned ejected_percent_max = 50;  ///< 0: nobody is ever ejected
    friend bool operator==(const Options&, const Options&) = default;
  };

  /// What is known of a target at the moment.
  struct Sample {
    std::uint64_t id = 0;
    std::uint64_t judged = 0;    ///< requests that said something, ever
    std::uint64_t failures = 0;  ///< of those
    std::uint32_t latency_us = 0;
    bool well = true;  ///< it may be used, but for what is decided here
  };

  enum class Reason : std::uint8_t { kNone, kFailures, kErrorRate, kLatency };
  struct Change {
    std::uint64_t id = 0;
    Reason reason = Reason::kNone;  ///< kNone: it is back
    Duration lasts{};               ///< of an ejection
  };

  explicit OutlierDetector(const Options& options) : options_(options) {}

  /// `id` has failed too often in a row. `samples`: of all targets.
  [[nodiscard]] std::optional<Change> suspect(std::uint64_t id, std::span<const Sample> samples,
                                              TimePoint now);
  /// Who returns, and who is ejected for a rate or for slowness. Call about four times a second.
  [[nodiscard]] std::vector<Change> tick(std::span<const Sample> samples, TimePoint now);
  [[nodiscard]] bool ejected(std::uint64_t id) const;
  [[nodiscard]] bool anybody_ejected() const noexcept { return ejected_count() != 0; }
  /// For a new configuration: ejections go on as they were decided.
  void set_options(const Options& options) noexcept { options_ = options; }

 private:
  struct Record {
    unsigned times = 0;                  ///< ejections, less one for each good interval
    TimePoint until = TimePoint::min();  ///< of an ejection; min: it is not ejected
    bool clean = true;                   ///< not ejected in this interval
    std::uint64_t judged = 0;            ///< at the interval's beginning
    std::uint64_t failures = 0;
  };
  /// An interval's numbers of one target.
  struct Window {
    std::uint64_t id = 0;
    std::uint64_t judged = 0;
    std::uint64_t failures = 0;
    std::uint32_t latency_us = 0;
  };

  [[nodiscard]] std::size_t ejected_count() const noexcept;
  [[nodiscard]] bool may_eject(std::uint64_t id, std::span<const Sample> samples) const;
  [[nodiscard]] Change eject(std::uint64_t id, Reason reason, TimePoint now);
  void follow(std::span<const Sample> samples);
  void end_interval(std::span<const Sample> samples, TimePoint now, std::vector<Change>& out);
  [[nodiscard]] std::vector<Window> windows(std::span<const Sample> samples) const;
  [[nodiscard]] bool fails_too_often(const Window& one, std::span<const Window> all) const;
  [[nodiscard]] bool too_slow(const Window& one, std::span<const Window> all) const;

  Options options_;
  std::map<std::uint64_t, Record> records_;
  TimePoint interval_end_ = TimePoint::min();
};

/// "failures in a row", "error rate", "latency"; "" for kNone.
[[nodiscard]] std::string_view text_of(OutlierDetector::Reason reason) noexcept;

}  // namespace millrace::proxy
