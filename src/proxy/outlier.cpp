#include "proxy/outlier.hpp"

#include <algorithm>
#include <ranges>

namespace millrace::proxy {

std::string_view text_of(OutlierDetector::Reason reason) noexcept {
  using enum OutlierDetector::Reason;
  switch (reason) {
    case kFailures:
      return "failures in a row";
    case kErrorRate:
      return "error rate";
    case kLatency:
      return "latency";
    case kNone:
      break;
  }
  return {};
}

bool OutlierDetector::ejected(std::uint64_t id) const {
  const auto record = records_.find(id);
  return record != records_.end() && record->second.until != TimePoint::min();
}

std::size_t OutlierDetector::ejected_count() const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      records_, [](const auto& r) { return r.second.until != TimePoint::min(); }));
}

bool OutlierDetector::may_eject(std::uint64_t id, std::span<const Sample> samples) const {
  if (options_.ejected_percent_max == 0 || samples.size() < 2 || ejected(id)) return false;
  const std::size_t share = samples.size() * options_.ejected_percent_max / 100;
  if (ejected_count() >= std::max<std::size_t>(share, 1)) return false;
  return std::ranges::any_of(
      samples, [&](const Sample& s) { return s.id != id && s.well && !ejected(s.id); });
}

OutlierDetector::Change OutlierDetector::eject(std::uint64_t id, Reason reason, TimePoint now) {
  Record& record = records_[id];
  ++record.times;
  record.clean = false;
  const Duration lasts = record.times > options_.eject_max / options_.eject
                             ? options_.eject_max
                             : std::min(options_.eject * record.times, options_.eject_max);
  record.until = after(now, lasts);
  return {id, reason, lasts};
}

// Records are those of the samples: new ones begin with what they have now.
void OutlierDetector::follow(std::span<const Sample> samples) {
  std::erase_if(records_, [&](const auto& record) {
    return std::ranges::find(samples, record.first, &Sample::id) == samples.end();
  });
  for (const Sample& s : samples)
    records_.try_emplace(s.id, Record{.judged = s.judged, .failures = s.failures});
}

std::optional<OutlierDetector::Change> OutlierDetector::suspect(std::uint64_t id,
                                                                std::span<const Sample> samples,
                                                                TimePoint now) {
  follow(samples);
  if (!may_eject(id, samples)) return std::nullopt;
  return eject(id, Reason::kFailures, now);
}

std::vector<OutlierDetector::Change> OutlierDetector::tick(std::span<const Sample> samples,
                                                           TimePoint now) {
  follow(samples);
  std::vector<Change> out;
  for (auto& [id, record] : records_) {
    if (record.until == TimePoint::min() || now < record.until) continue;
    record.until = TimePoint::min();
    out.push_back({.id = id});
  }
  if (interval_end_ == TimePoint::min()) interval_end_ = after(now, options_.interval);
  if (now >= interval_end_) {
    end_interval(samples, now, out);
    interval_end_ = after(now, options_.interval);
  }
  return out;
}

std::vector<OutlierDetector::Window> OutlierDetector::windows(
    std::span<const Sample> samples) const {
  std::vector<Window> out;
  for (const Sample& s : samples) {
    const Record& begin = records_.at(s.id);
    const Window w{.id = s.id,
                   .judged = s.judged - std::min(begin.judged, s.judged),
                   .failures = s.failures - std::min(begin.failures, s.failures),
                   .latency_us = s.latency_us};
    if (w.judged != 0 && w.judged >= options_.requests_min) out.push_back(w);
  }
  return out;
}

// Its share against that of all others together, without a division: f/j > 2 F/J.
bool OutlierDetector::fails_too_often(const Window& one, std::span<const Window> all) const {
  if (options_.error_percent == 0) return false;
  if (one.failures * 100 < one.judged * options_.error_percent) return false;
  std::uint64_t judged = 0, failures = 0;
  for (const Window& w : all) {
    if (w.id == one.id) continue;
    judged += w.judged;
    failures += w.failures;
  }
  return judged != 0 && one.failures * judged > 2 * failures * one.judged;
}

bool OutlierDetector::too_slow(const Window& one, std::span<const Window> all) const {
  if (options_.slow_factor == 0) return false;
  std::vector<std::uint32_t> others;
  for (const Window& w : all)
    if (w.id != one.id && !ejected(w.id)) others.push_back(w.latency_us);
  if (others.empty()) return false;
  const auto middle = others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2);
  std::ranges::nth_element(others, middle);
  return one.latency_us >= std::uint64_t{*middle} * options_.slow_factor;
}

void OutlierDetector::end_interval(std::span<const Sample> samples, TimePoint now,
                                   std::vector<Change>& out) {
  const std::vector<Window> all = windows(samples);
  for (const Window& w : all) {
    const Reason reason = fails_too_often(w, all) ? Reason::kErrorRate
                          : too_slow(w, all)      ? Reason::kLatency
                                                  : Reason::kNone;
    if (reason != Reason::kNone && may_eject(w.id, samples))
      out.push_back(eject(w.id, reason, now));
  }
  for (const Sample& s : samples) {
    Record& record = records_.at(s.id);
    if (record.clean && record.times != 0) --record.times;
    record.clean = record.until == TimePoint::min();
    record.judged = s.judged;
    record.failures = s.failures;
  }
}

}  // namespace millrace::proxy
