#include "endpoints/batch_line.hpp"

#include "base/base64.hpp"
#include "base/metrics.hpp"
#include "endpoints/turns.hpp"
#include "http/problem.hpp"
#include "parse/utf8.hpp"
#include "runtime/ready_queue.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::endpoints {
namespace {

/// What is collected before it is handed on.
constexpr std::size_t kFlushBytes = 32 * 1024;
/// What is escaped at a time; sixfold at worst.
constexpr std::size_t kSliceBytes = 12 * 1024;
static_assert(kSliceBytes % 3 == 0, "pieces of base64 join");

std::uint64_t whole_us(Duration d) noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(d).count());
}

void append_control(std::string& out, unsigned char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out.append("\\u00").append(1, kHex[c >> 4]).append(1, kHex[c & 15]);
  }
}

// Bytes that are not UTF-8 are taken for Latin-1, as HTTP once had it (RFC 9110 section 5.5).
void append_field_text(std::string& out, std::string_view text) {
  out += '"';
  if (parse::is_utf8(text)) {
    append_escaped(out, text);
  } else {
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x80) {
        append_escaped(out, {&c, 1});
      } else {
        out += static_cast<char>(0xc0 | byte >> 6);
        out += static_cast<char>(0x80 | (byte & 0x3f));
      }
    }
  }
  out += '"';
}

void append_headers(std::string& out, const http::Fields& fields) {
  out += ",\"headers\":[";
  for (const http::Field& field : fields) {
    out += out.back() == '[' ? "[" : ",[";
    append_field_text(out, field.name);
    out += ',';
    append_field_text(out, field.value);
    out += ']';
  }
  out += ']';
}

class LineWriter {
 public:
  LineWriter(BatchResult& result, LineReader reader, LineSink& sink) noexcept
      : result_(result), reader_(reader), sink_(sink) {}

  Task<Result<void>> write();

 private:
  Task<Result<void>> flush();
  Task<Result<void>> write_body();
  Task<Result<void>> write_pieces();
  void append_piece(std::string_view piece);
  void append_error();
  void append_connection();
  void append_url();
  void append_file();
  void append_end();

  BatchResult& result_;
  const LineReader reader_;
  LineSink& sink_;
  std::string out_;
  std::string carry_;  // one or two bytes that base64 could not take yet
  std::uint64_t since_yield_ = 0;
};

Task<Result<void>> LineWriter::flush() {
  const std::string text = std::exchange(out_, {});
  since_yield_ += text.size();
  if (const auto written = co_await sink_.write(text); !written) co_return written;
  if (since_yield_ >= kBytesPerTurn) {
    since_yield_ = 0;
    co_await yield_now();
  }
  co_return Result<void>{};
}

void LineWriter::append_piece(std::string_view piece) {
  switch (result_.body_kind) {
    case BatchResult::Body::kText:
      append_escaped(out_, piece);
      return;
    case BatchResult::Body::kSelected:
      out_ += piece;
      return;
    case BatchResult::Body::kElsewhere:
      return;
    case BatchResult::Body::kBinary:
      carry_ += piece;
      const std::size_t whole = carry_.size() - carry_.size() % 3;
      append_base64(out_, std::string_view(carry_).substr(0, whole));
      carry_.erase(0, whole);
  }
}

Task<Result<void>> LineWriter::write_pieces() {
  while (!result_.body.empty()) {
    std::string_view block = result_.body.front();
    const std::size_t size = block.size();
    while (!block.empty()) {
      const std::string_view slice = block.substr(0, kSliceBytes);
      append_piece(slice);
      block.remove_prefix(slice.size());
      if (out_.size() < kFlushBytes) continue;
      if (const auto flushed = co_await flush(); !flushed) co_return flushed;
    }
    result_.body.pop_front();
    result_.held.shrink(std::min<std::uint64_t>(size, result_.held.bytes()));
  }
  append_base64(out_, carry_);
  co_return Result<void>{};
}

Task<Result<void>> LineWriter::write_body() {
  using Body = BatchResult::Body;
  switch (result_.body_kind) {
    case Body::kElsewhere:
      append_file();
      co_return Result<void>{};
    case Body::kSelected:
      out_ += ",\"selected\":";
      break;
    case Body::kText:
      out_ += ",\"body\":\"";
      break;
    case Body::kBinary:
      out_ += ",\"body_base64\":\"";
      break;
  }
  if (const auto written = co_await write_pieces(); !written) co_return written;
  if (result_.body_kind == Body::kSelected)
    out_.append(",\"matched\":").append(std::to_string(result_.matched));
  else
    out_ += '"';
  co_return Result<void>{};
}

void LineWriter::append_url() {
  out_ += ",\"url\":";
  append_field_text(out_, result_.url);
}

void LineWriter::append_file() {
  if (!result_.file.empty()) {
    out_ += ",\"file\":";
    append_field_text(out_, result_.file);
  }
  out_.append(",\"bytes\":").append(std::to_string(result_.received));
}

void LineWriter::append_connection() {
  out_ += ",\"connection\":{\"reused\":";
  out_ += result_.reused ? "true" : "false";
  out_ += ",\"protocol\":\"";
  out_ += metrics::kProtocols[static_cast<std::size_t>(result_.protocol)];
  // Of a connection that was there, nobody asked for the address.
  if (!result_.reused) out_.append("\",\"dns\":\"").append(result_.dns_source);
  out_ += "\"}";
}

void LineWriter::append_end() {
  append_timings(out_, result_.timings);
  append_connection();
  out_.append(",\"attempts\":").append(std::to_string(result_.attempts));
}

void LineWriter::append_error() {
  if (reader_ == LineReader::kOperator) append_url();
  out_ += ",\"error\":";
  std::string detail = result_.detail;
  if (reader_ == LineReader::kOperator && !result_.cause.empty()) detail = result_.cause;
  std::string problem = http::problem_json({.errc = result_.errc, .detail = detail});
  problem.pop_back();  // its newline
  out_ += problem;
  if (reader_ == LineReader::kOperator) {
    append_end();
    return;
  }
  out_ += ",\"timing_us\":{\"total\":";
  out_ += std::to_string(whole_us(result_.timings.total()));
  out_ += '}';
}

Task<Result<void>> LineWriter::write() {
  out_ = "{\"index\":" + std::to_string(result_.index);
  if (result_.errc != Errc::kCount_) {
    append_error();
  } else {
    append_url();
    out_.append(",\"status\":").append(std::to_string(result_.status));
    append_headers(out_, result_.fields);
    if (const auto written = co_await write_body(); !written) co_return written;
    append_end();
  }
  out_ += "}\n";
  co_return co_await flush();
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, done, i - done);
    done = i + 1;
    if (c < 0x20)
      append_control(out, c);
    else
      out.append(1, '\\').append(1, text[i]);
  }
  out.append(text, done);
}

void append_timings(std::string& out, const Timings& timings) {
  out += ",\"timing_us\":{";
  Duration until{};
  for (std::size_t i = 0; i < kPhaseNames.size(); ++i) {
    const std::uint64_t before = whole_us(until);
    until += timings.of(static_cast<Phase>(i));
    out.append("\"").append(kPhaseNames[i]).append("\":");
    out.append(std::to_string(whole_us(until) - before)).append(",");
  }
  out.append("\"total\":").append(std::to_string(whole_us(until))).append("}");
}

void BatchSummary::add(const BatchResult& result) noexcept {
  ++count;
  ++(result.succeeded() ? succeeded : failed);
  if (result.errc != Errc::kCount_) ++errors;
  bytes += result.received;
  attempts += result.attempts;
}

std::string summary_line(const BatchSummary& summary, Duration wall) {
  std::string out = "{\"summary\":{";
  const auto add = [&out](std::string_view name, std::uint64_t value) {
    out.append("\"").append(name).append("\":").append(std::to_string(value)).append(",");
  };
  add("count", summary.count);
  add("succeeded", summary.succeeded);
  add("failed", summary.failed);
  add("errors", summary.errors);
  add("bytes", summary.bytes);
  add("wall_us", whole_us(wall));
  out.pop_back();
  return out + "}}\n";
}

Task<Result<void>> write_batch_line(BatchResult& result, LineReader reader, LineSink& sink) {
  LineWriter writer(result, reader, sink);
  co_return co_await writer.write();
}

}  // namespace millrace::endpoints
