// What a client may cost us beside the requests that it makes: a bucket of tokens. Frames that
// carry nothing (PING, SETTINGS, WINDOW_UPDATE, empty DATA...) and resets spend them; time and
// useful work bring them back.
//
// Thread rule: one thread.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <algorithm>

namespace millrace::h2 {

class Budget {
 public:
  struct Options {
    double burst;       ///< tokens at the start, and at most
    double per_second;  ///< what comes back by itself
  };

  Budget(const Options& options, TimePoint now) noexcept
      : options_(options), tokens_(options.burst), refilled_(now) {}

  /// False: they are used up, and the client is to be sent away. `now` may be coarse.
  [[nodiscard]] bool spend(double tokens, TimePoint now) noexcept {
    const double elapsed = std::chrono::duration<double>(now - refilled_).count();
    refilled_ = now;
    earn(std::max(elapsed, 0.0) * options_.per_second);
    tokens_ -= tokens;
    return tokens_ >= 0;
  }
  void earn(double tokens) noexcept { tokens_ = std::min(tokens_ + tokens, options_.burst); }

 private:
  const Options options_;
  double tokens_;
  TimePoint refilled_;
};

/// Frames without content. A download is acknowledged by two WINDOW_UPDATEs per frame at worst, a
/// page load by a handful of PRIORITY_UPDATEs per request.
inline constexpr Budget::Options kFrameBudget{.burst = 1000, .per_second = 50};
inline constexpr double kTokensPerRequest = 4;
inline constexpr double kBytesPerToken = 1024;
/// What DATA frames that we send earn: each is acknowledged by two WINDOW_UPDATEs at worst, or by
/// one for every few kilobytes. That may be much later, when a large window's worth has been sent
/// and is read bit by bit: what is earned so is kept until then, without a limit.
///
/// A client that acknowledges every frame by itself gives back a small one's window by itself too,
/// and what is sent into that is small again: crumbs circulate for as long as there is data. They
/// earn their acknowledgement like the others, until nearly nothing but crumbs goes out: that is a
/// client which opens its windows byte by byte.
class DataEarnings {
 public:
  /// `complete`: the frame held all that there was to send, so its size was not the window's doing.
  void sent(std::size_t bytes, bool complete) noexcept { earned_ += of_frame(bytes, complete); }
  /// One WINDOW_UPDATE. False: nothing is left, it counts like any frame.
  [[nodiscard]] bool spend() noexcept {
    if (earned_ < 1) return false;
    earned_ -= 1;
    return true;
  }

 private:
  [[nodiscard]] double of_frame(std::size_t bytes, bool complete) noexcept {
    if (!complete && bytes < kCrumbBytes) return ++crumbs_ > kCrumbsMax ? 0 : kTokensPerCrumb;
    crumbs_ -= std::min(crumbs_, kCrumbsPerFrame);
    return std::max(static_cast<double>(bytes) / kBytesPerToken, kTokensPerFrame);
  }

  static constexpr std::size_t kCrumbBytes = 256;
  static constexpr std::size_t kCrumbsMax = 1000;
  static constexpr std::size_t kCrumbsPerFrame = 16;
  static constexpr double kTokensPerFrame = 3;
  static constexpr double kTokensPerCrumb = 2;
  double earned_ = 0;
  std::size_t crumbs_ = 0;  // beyond what the other frames account for
};

/// Resets, the client's (CVE-2023-44487) and those that it makes us send (CVE-2025-8671). A browser
/// that leaves a page resets all of its streams at once.
inline constexpr Budget::Options kResetBudget{.burst = 300, .per_second = 10};
inline constexpr double kResetsPerAnswer = 0.25;
/// A reset because frames break the protocol. One for a change of mind, or for a request that
/// somebody behind the client has made malformed, counts for 1.
inline constexpr double kResetsPerFault = 10;
/// A stream over a limit that the client may not have heard of yet; its head is decoded and no
/// more.
inline constexpr double kResetsPerRefusal = 0.25;

}  // namespace millrace::h2
