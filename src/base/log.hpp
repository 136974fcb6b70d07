// The log of the process: events (start, reload, trouble) and the access log.
//
//   log::event(LogLevel::kWarn, "accept_paused", {{"listener", address}, {"open", count}});
//
// An event is a stable snake_case name and its fields. On a terminal it is a human line, otherwise
// one JSON object: {"event":"accept_paused","listener":"127.0.0.1:8080","open":20000,"level":
// "warn","time":"2026-11-21T03:04:05.678Z"}. Events go to stderr, access lines where the
// configuration says.
//
// Logging never waits for whoever reads the log (log_writer.hpp). Thread rule: everything from any
// thread. Ownership: the application owns the one Logger and installs it.
#pragma once

#include "base/access_log.hpp"
#include "base/error.hpp"
#include "base/log_writer.hpp"

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::log {

/// Where a text is what the event is about; every other one is cut at kTextShownMax.
inline constexpr std::size_t kLongTextShownMax = std::size_t{16} * 1024;

/// One name and value of an event. Refers to its texts.
class Field {
 public:
  enum class Kind : std::uint8_t { kText, kJson, kSigned, kUnsigned, kBool };

  Field(std::string_view n, std::string_view v) noexcept : name(n), text(v) {}
  Field(std::string_view n, const char* v) noexcept : name(n), text(v) {}
  Field(std::string_view n, const std::string& v) noexcept : name(n), text(v) {}
  Field(std::string_view n, bool v) noexcept : name(n), kind(Kind::kBool), number(v) {}
  template <std::integral T>
  Field(std::string_view n, T v) noexcept
      : name(n),
        kind(std::signed_integral<T> ? Kind::kSigned : Kind::kUnsigned),
        number(static_cast<std::uint64_t>(v)) {}
  /// `json` is JSON already: a list, an object.
  [[nodiscard]] static Field json(std::string_view n, std::string_view json) noexcept {
    Field f(n, json);
    f.kind = Kind::kJson;
    return f;
  }
  /// Cut at kLongTextShownMax.
  [[nodiscard]] static Field long_text(std::string_view n, std::string_view v) noexcept {
    Field f(n, v);
    f.shown_max = kLongTextShownMax;
    return f;
  }

  std::string_view name;
  std::string_view text;
  Kind kind = Kind::kText;
  std::uint64_t number = 0;
  std::size_t shown_max = kTextShownMax;
};
using Fields = std::initializer_list<Field>;

/// kAuto: human lines on a terminal, JSON otherwise. kCombined is for the access log; events are
/// then as with kAuto.
enum class Format : std::uint8_t { kAuto, kJson, kCombined };

struct Options {
  enum class Access : std::uint8_t { kOff, kStderr, kFile };
  Access access = Access::kStderr;
  std::string file;  ///< kFile only
  Format format = Format::kAuto;
  LogLevel level = LogLevel::kInfo;  ///< events below are not written
  int stderr_fd = 2;
};

/// "debug", "info", "warn", "error".
[[nodiscard]] std::string_view level_name(LogLevel level) noexcept;

class Logger {
 public:
  /// Error: kIo, with the errno, when the file cannot be opened.
  [[nodiscard]] static Result<std::unique_ptr<Logger>> open(const Options& options);
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;
  /// Uninstalls itself; gives what is held a second to leave.
  ~Logger();

  /// Becomes the logger that log::event() writes to.
  void install() noexcept;

  void event(LogLevel level, std::string_view name, Fields fields = {});
  /// An event that no level filters: what scripts wait for.
  void announce(std::string_view name, Fields fields = {});

  /// What change() needs, opened beforehand.
  struct Change {
    Options options;
    LogWriter::File file = {};
  };
  /// Error: kIo, with the errno, when the file cannot be opened.
  [[nodiscard]] static Result<Change> prepare(Options options);
  /// Lines from now on are for these options; `stderr_fd` stays. One thread at a time.
  void change(Change change);

  [[nodiscard]] bool access_on() const noexcept { return style().access != Options::Access::kOff; }
  void access(const AccessRecord& record);

  /// Opens the access log's file anew, after a rotation. Error: kIo; the old file stays in use.
  Result<void> reopen() { return writer_->reopen(); }
  bool flush(std::chrono::milliseconds limit) { return writer_->flush(limit); }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return writer_->dropped(); }
  [[nodiscard]] LogLevel level() const noexcept { return level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) noexcept { level_.store(level, std::memory_order_relaxed); }

 private:
  Logger(const Options& options, std::unique_ptr<LogWriter> writer);
  void write_event(LogLevel level, std::string_view name, Fields fields);

  /// How lines look and where they go; small enough to be read at once.
  struct alignas(4) Style {
    Options::Access access = Options::Access::kStderr;
    AccessFormat access_format = AccessFormat::kJson;
    bool human_events = false;
  };
  [[nodiscard]] Style style() const noexcept { return style_.load(std::memory_order_relaxed); }
  [[nodiscard]] static Style style_of(const Options& options, const LogWriter& writer) noexcept;

  std::unique_ptr<LogWriter> writer_;
  std::atomic<Style> style_;
  static_assert(std::atomic<Style>::is_always_lock_free);
  std::atomic<LogLevel> level_;
};

/// To the installed logger; dropped when there is none. Text of fields is cut (Field).
void event(LogLevel level, std::string_view name, Fields fields = {});

}  // namespace millrace::log
