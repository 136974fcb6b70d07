#include "base/log.hpp"

#include <algorithm>
#include <array>

namespace millrace::log {
namespace {

constexpr std::array<std::string_view, 4> kLevels{"debug", "info", "warn", "error"};

std::atomic<Logger*> g_installed = nullptr;

std::string_view shown(const Field& f) noexcept {
  return f.text.substr(0, std::min(f.text.size(), f.shown_max));
}

std::size_t event_bytes_max(std::string_view name, Fields fields) noexcept {
  constexpr std::size_t kFixed = 128, kPerField = 32;
  std::size_t bytes = kFixed + name.size();
  for (const Field& f : fields) {
    const std::size_t text = f.kind == Field::Kind::kJson
                                 ? f.text.size()
                                 : shown(f).size() * LineWriter::kEscapedBytesMax;
    bytes += kPerField + f.name.size() + text;
  }
  return bytes;
}

void put_value(LineWriter& out, const Field& f, bool human) noexcept {
  switch (f.kind) {
    case Field::Kind::kText:
      if (!human) out.put('"');
      out.put_text(shown(f), human ? Escape::kPlain : Escape::kJson);
      if (!human) out.put('"');
      return;
    case Field::Kind::kJson:
      return out.put(f.text);
    case Field::Kind::kSigned:
      return out.put_number(static_cast<std::int64_t>(f.number));
    case Field::Kind::kUnsigned:
      return out.put_number(f.number);
    case Field::Kind::kBool:
      return out.put(f.number != 0 ? std::string_view("true") : std::string_view("false"));
  }
}

void write_human(LineWriter& out, const timespec& time, LogLevel level, std::string_view name,
                 Fields fields) noexcept {
  out.put_clock_time(time);
  out.put(' ');
  out.put(level_name(level));
  out.put(' ');
  out.put(name);
  for (const Field& f : fields) {
    out.put(' ');
    out.put(f.name);
    out.put('=');
    put_value(out, f, true);
  }
  out.put('\n');
}

void write_json(LineWriter& out, const timespec& time, LogLevel level, std::string_view name,
                Fields fields) noexcept {
  out.put("{\"event\":\"");
  out.put(name);
  out.put('"');
  for (const Field& f : fields) {
    out.put(",\"");
    out.put(f.name);
    out.put("\":");
    put_value(out, f, false);
  }
  out.put(",\"level\":\"");
  out.put(level_name(level));
  out.put("\",\"time\":\"");
  out.put_iso_time(time);
  out.put("\"}\n");
}

AccessFormat access_format(const Options& options, const LogWriter& writer) noexcept {
  if (options.format == Format::kCombined) return AccessFormat::kCombined;
  const Sink sink = options.access == Options::Access::kFile ? Sink::kFile : Sink::kStderr;
  const bool human = options.format == Format::kAuto && writer.is_terminal(sink);
  return human ? AccessFormat::kHuman : AccessFormat::kJson;
}

}  // namespace

std::string_view level_name(LogLevel level) noexcept {
  return kLevels[static_cast<std::size_t>(level)];
}

Result<std::unique_ptr<Logger>> Logger::open(const Options& options) {
  const bool to_file = options.access == Options::Access::kFile;
  auto writer = LogWriter::open(
      {.stderr_fd = options.stderr_fd, .file = to_file ? options.file : std::string()});
  if (!writer) return fail(writer.error());
  return std::unique_ptr<Logger>(new Logger(options, std::move(*writer)));
}

Logger::Logger(const Options& options, std::unique_ptr<LogWriter> writer)
    : writer_(std::move(writer)), style_(style_of(options, *writer_)), level_(options.level) {}

Logger::Style Logger::style_of(const Options& options, const LogWriter& writer) noexcept {
  return {.access = options.access,
          .access_format = access_format(options, writer),
          .human_events = options.format != Format::kJson && writer.is_terminal(Sink::kStderr)};
}

Result<Logger::Change> Logger::prepare(Options options) {
  Change change{.options = std::move(options)};
  if (change.options.access != Options::Access::kFile) return change;
  auto file = LogWriter::File::open(change.options.file);
  if (!file) return fail(file.error());
  change.file = std::move(*file);
  return change;
}

void Logger::change(Change change) {
  writer_->use(std::move(change.file));
  style_.store(style_of(change.options, *writer_), std::memory_order_relaxed);
  set_level(change.options.level);
}

Logger::~Logger() {
  Logger* self = this;
  g_installed.compare_exchange_strong(self, nullptr);
}

void Logger::install() noexcept {
  g_installed.store(this);
}

void Logger::event(LogLevel level, std::string_view name, Fields fields) {
  if (level >= this->level()) write_event(level, name, fields);
}

void Logger::announce(std::string_view name, Fields fields) {
  write_event(LogLevel::kInfo, name, fields);
}

void Logger::write_event(LogLevel level, std::string_view name, Fields fields) {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  writer_->append(Sink::kStderr, event_bytes_max(name, fields), [&](char* at) {
    LineWriter out(at);
    if (style().human_events)
      write_human(out, time, level, name, fields);
    else
      write_json(out, time, level, name, fields);
    return out.written();
  });
}

void Logger::access(const AccessRecord& record) {
  const Style style = this->style();
  if (style.access == Options::Access::kOff) return;
  const Sink sink = style.access == Options::Access::kFile ? Sink::kFile : Sink::kStderr;
  writer_->append(sink, access_bytes_max(record), [&](char* at) {
    LineWriter out(at);
    write_access(out, record, style.access_format);
    return out.written();
  });
}

void event(LogLevel level, std::string_view name, Fields fields) {
  if (Logger* logger = g_installed.load(std::memory_order_acquire); logger != nullptr)
    logger->event(level, name, fields);
}

}  // namespace millrace::log
