// One line on a terminal's standard error that tells how far a batch is; nothing anywhere else.
//
//   12/100 [====>                ] 3.4 MiB  1.2 MiB/s  ETA 0:07  2 failed
//
// Thread rule: one io thread.
#pragma once

#include "runtime/io_thread.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace millrace::app {

struct ProgressState {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> total;  ///< nullopt: more may come
};

/// The line, at most `columns` wide.
[[nodiscard]] std::string progress_text(const ProgressState& state, Duration elapsed,
                                        double bytes_per_second, unsigned columns);

/// "512 B", "3.4 MiB"
[[nodiscard]] std::string bytes_text(double bytes);

class Progress {
 public:
  /// `shown`: draw at all, when standard error is a terminal.
  explicit Progress(bool shown);

  ProgressState state;

  /// Draws until cancelled.
  [[nodiscard]] Task<void> run();
  /// Makes room for other text on the terminal; until show() nothing is drawn.
  void hide() noexcept;
  void show() noexcept { hidden_ = false; }

 private:
  void draw();

  const bool shown_;
  const TimePoint began_ = Clock::now();
  TimePoint last_ = began_;
  std::uint64_t last_bytes_ = 0;
  double rate_ = 0;  // bytes per second, lately
  bool hidden_ = false;
  bool drawn_ = false;
};

}  // namespace millrace::app
