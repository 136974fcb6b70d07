#include "base/access_log.hpp"

#include <algorithm>

namespace millrace::log {
namespace {

// Names, quotes, numbers and time stamps of the longest line: about 740 bytes.
constexpr std::size_t kFixedBytesMax = 1024;

std::string_view cut(std::string_view text, std::size_t size = kTextShownMax) noexcept {
  return text.substr(0, std::min(text.size(), size));
}

void put_target(LineWriter& out, const AccessRecord& r, Escape escape) noexcept {
  const std::string_view path = cut(r.path, kTargetShownMax);
  out.put_text(path, escape);
  if (!r.has_query) return;
  out.put('?');
  out.put_query(cut(r.query, kTargetShownMax - path.size()), escape);
}

/// ,"name":"value"; nothing for an empty value.
void put_json(LineWriter& out, std::string_view name, std::string_view value) noexcept {
  if (value.empty()) return;
  out.put(",\"");
  out.put(name);
  out.put("\":\"");
  out.put_text(cut(value), Escape::kJson);
  out.put('"');
}

void put_json(LineWriter& out, std::string_view name, std::uint64_t value) noexcept {
  out.put(",\"");
  out.put(name);
  out.put("\":");
  out.put_number(value);
}

void put_json_phase(LineWriter& out, const AccessRecord::PhaseTime& phase) noexcept {
  if (phase.us == 0) return;
  out.put(",\"");
  out.put(phase.name);
  out.put("_us\":");
  out.put_number(phase.us);
}

void put_json_upstream(LineWriter& out, const AccessRecord& r) noexcept {
  if (r.upstream.empty() && r.attempts == 0) return;
  put_json(out, "upstream", r.upstream);
  put_json(out, "upstream_target", r.upstream_target);
  if (r.upstream_status != 0)
    put_json(out, "upstream_status", static_cast<std::uint64_t>(r.upstream_status));
  put_json(out, "attempts", std::uint64_t{r.attempts});
  out.put(r.reused ? std::string_view(",\"reused\":true") : std::string_view(",\"reused\":false"));
  for (const AccessRecord::PhaseTime& phase : r.phases) put_json_phase(out, phase);
  if (r.wasted_us != 0) put_json(out, "wasted_us", r.wasted_us);
}

void write_json(LineWriter& out, const AccessRecord& r) noexcept {
  out.put("{\"event\":\"access\",\"time\":\"");
  out.put_iso_time(r.time);
  out.put('"');
  put_json(out, "method", r.method);
  out.put(",\"target\":\"");
  put_target(out, r, Escape::kJson);
  out.put('"');
  put_json(out, "protocol", r.protocol);
  put_json(out, "status", static_cast<std::uint64_t>(r.status));
  put_json(out, "duration_us", r.duration_us);
  put_json(out, "bytes_in", r.bytes_in);
  put_json(out, "bytes_out", r.bytes_out);
  put_json(out, "client", r.client);
  put_json(out, "request_id", r.request_id);
  put_json(out, "route", r.route);
  put_json(out, "user_agent", r.user_agent);
  put_json_upstream(out, r);
  put_json(out, "cause", r.cause);
  out.put("}\n");
}

/// 345us, 1.23ms, 4.56s: three digits are what one reads.
void put_duration(LineWriter& out, std::uint64_t us) noexcept {
  if (us < 1000) {
    out.put_number(us);
    return out.put("us");
  }
  const std::uint64_t unit = us < 1'000'000 ? 1000 : 1'000'000;
  out.put_number(us / unit);
  out.put('.');
  const std::uint64_t hundredths = us % unit * 100 / unit;
  out.put(static_cast<char>('0' + hundredths / 10));
  out.put(static_cast<char>('0' + hundredths % 10));
  out.put(unit == 1000 ? std::string_view("ms") : std::string_view("s"));
}

/// " name=value"; nothing for an empty value.
void put_pair(LineWriter& out, std::string_view name, std::string_view value) noexcept {
  if (value.empty()) return;
  out.put(' ');
  out.put(name);
  out.put('=');
  out.put_text(cut(value), Escape::kPlain);
}

void write_human(LineWriter& out, const AccessRecord& r) noexcept {
  out.put_clock_time(r.time);
  out.put(' ');
  if (r.status == 0)
    out.put("---");
  else
    out.put_number(static_cast<std::uint64_t>(r.status));
  out.put(' ');
  out.put_text(cut(r.method), Escape::kPlain);
  out.put(' ');
  put_target(out, r, Escape::kPlain);
  out.put(' ');
  put_duration(out, r.duration_us);
  out.put(' ');
  out.put_number(r.bytes_out);
  out.put("B ");
  out.put_text(cut(r.client), Escape::kPlain);
  put_pair(out, "upstream", r.upstream);
  put_pair(out, "target", r.upstream_target);
  put_pair(out, "cause", r.cause);
  out.put('\n');
}

void put_quoted_or_dash(LineWriter& out, std::string_view value) noexcept {
  out.put('"');
  if (value.empty())
    out.put('-');
  else
    out.put_text(cut(value), Escape::kPlain);
  out.put('"');
}

/// A Referer may carry a query as the target does.
void put_referer(LineWriter& out, std::string_view referer) noexcept {
  const std::size_t query = referer.find('?');
  if (query == std::string_view::npos) return put_quoted_or_dash(out, referer);
  const std::string_view shown = cut(referer);
  out.put('"');
  out.put_text(shown.substr(0, query + 1), Escape::kPlain);
  if (query + 1 < shown.size()) out.put_query(shown.substr(query + 1), Escape::kPlain);
  out.put('"');
}

void write_combined(LineWriter& out, const AccessRecord& r) noexcept {
  if (r.client.empty())
    out.put('-');
  else
    out.put_text(cut(r.client), Escape::kPlain);
  out.put(" - - [");
  out.put_combined_time(r.time);
  out.put("] \"");
  out.put_text(cut(r.method), Escape::kPlain);
  out.put(' ');
  put_target(out, r, Escape::kPlain);
  out.put(' ');
  out.put_text(cut(r.protocol), Escape::kPlain);
  out.put("\" ");
  out.put_number(static_cast<std::uint64_t>(r.status));
  out.put(' ');
  out.put_number(r.bytes_out);
  out.put(' ');
  put_referer(out, r.referer);
  out.put(' ');
  put_quoted_or_dash(out, r.user_agent);
  out.put('\n');
}

}  // namespace

std::size_t access_bytes_max(const AccessRecord& r) noexcept {
  std::size_t text = std::min(r.path.size() + r.query.size(), kTargetShownMax);
  for (const std::string_view t : {r.method, r.protocol, r.client, r.request_id, r.route,
                                   r.user_agent, r.referer, r.cause, r.upstream, r.upstream_target})
    text += cut(t).size();
  return kFixedBytesMax + text * LineWriter::kEscapedBytesMax;
}

void write_access(LineWriter& out, const AccessRecord& record, AccessFormat format) noexcept {
  switch (format) {
    case AccessFormat::kJson:
      return write_json(out, record);
    case AccessFormat::kHuman:
      return write_human(out, record);
    case AccessFormat::kCombined:
      return write_combined(out, record);
  }
}

}  // namespace millrace::log
