// A child's standard output and error: cut into lines, never waited for.
//
// Thread rule: one thread.
#pragma once

#include "base/log.hpp"
#include "runtime/descriptor.hpp"

#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::process {

/// Cuts a stream into lines. A line longer than kPieceMax comes in pieces, so that nothing is lost
/// and nothing grows. Empty lines are left out.
class LineCutter {
 public:
  /// What one event of the log shows.
  static constexpr std::size_t kPieceMax = log::kLongTextShownMax;
  using Sink = std::function<void(std::string_view piece)>;

  void feed(std::string_view bytes, const Sink& sink);
  /// What the stream ended with.
  void finish(const Sink& sink);

 private:
  void put(std::string_view part, const Sink& sink);
  std::string held_;
};

/// The last lines of an instance, for whoever asks why it ended.
class LastLines {
 public:
  static constexpr std::size_t kLinesMax = 20;
  /// Of each the beginning: the log has all of it, and these are kept for long.
  static constexpr std::size_t kLineMax = log::kTextShownMax;
  void add(std::string_view line) {
    if (lines_.size() == kLinesMax) lines_.pop_front();
    lines_.emplace_back(line.substr(0, kLineMax));
  }
  [[nodiscard]] const std::deque<std::string>& lines() const noexcept { return lines_; }

 private:
  std::deque<std::string> lines_;
};

/// Reads until the end of the stream, or until its scope is cancelled: then what is there already.
[[nodiscard]] Task<void> read_lines(Descriptor& pipe, LineCutter::Sink sink);

}  // namespace millrace::process
