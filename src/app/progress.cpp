#include "app/progress.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace millrace::app {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(200);
constexpr unsigned kBarColumns = 24;
constexpr unsigned kColumnsDefault = 80;
/// Of the newest interval's rate in the one that is shown.
constexpr double kNewest = 0.2;

unsigned terminal_columns() noexcept {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kColumnsDefault;
  return size.ws_col;
}

// A terminal that does not take it misses a drawing.
void put(std::string_view text) noexcept {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::min(seconds, 359'999.0));
  std::array<char, 32> text{};
  if (whole < 3600)
    std::snprintf(text.data(), text.size(), "%u:%02u", unsigned(whole / 60), unsigned(whole % 60));
  else
    std::snprintf(text.data(), text.size(), "%u:%02u:%02u", unsigned(whole / 3600),
                  unsigned(whole / 60 % 60), unsigned(whole % 60));
  return text.data();
}

std::string bar(double share) {
  const auto full = static_cast<unsigned>(std::floor(share * kBarColumns));
  std::string out(std::min(full, kBarColumns), '=');
  if (full < kBarColumns) out += '>';
  out.resize(kBarColumns, ' ');
  return "[" + out + "]";
}

}  // namespace

std::string bytes_text(double bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text.data();
}

std::string progress_text(const ProgressState& state, Duration elapsed, double bytes_per_second,
                          unsigned columns) {
  std::string out = std::to_string(state.done) + "/";
  out += state.total ? std::to_string(*state.total) : "?";
  if (state.total && *state.total > 0)
    out += " " + bar(static_cast<double>(state.done) / static_cast<double>(*state.total));
  out += " " + bytes_text(static_cast<double>(state.bytes));
  out += "  " + bytes_text(bytes_per_second) + "/s";
  if (state.total && state.done > 0 && state.done < *state.total) {
    const double each =
        std::chrono::duration<double>(elapsed).count() / static_cast<double>(state.done);
    out += "  ETA " + clock_text(each * static_cast<double>(*state.total - state.done));
  }
  if (state.failed > 0) out += "  " + std::to_string(state.failed) + " failed";
  if (out.size() > columns) out.resize(columns);
  return out;
}

Progress::Progress(bool shown) : shown_(shown && ::isatty(STDERR_FILENO) == 1) {}

void Progress::draw() {
  const TimePoint now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - last_).count();
  const double newest = static_cast<double>(state.bytes - last_bytes_) / std::max(seconds, 1e-3);
  rate_ = last_ == began_ ? newest : rate_ + kNewest * (newest - rate_);
  last_ = now;
  last_bytes_ = state.bytes;
  if (hidden_) return;
  // Back to the line's begin, the text, and nothing behind it.
  put("\r" + progress_text(state, now - began_, rate_, terminal_columns() - 1) + "\x1b[K");
  drawn_ = true;
}

void Progress::hide() noexcept {
  hidden_ = true;
  if (std::exchange(drawn_, false)) put("\r\x1b[K");
}

Task<void> Progress::run() {
  if (!shown_) co_return;
  do draw();
  while (co_await sleep_for(kInterval));
  hide();
}

}  // namespace millrace::app
