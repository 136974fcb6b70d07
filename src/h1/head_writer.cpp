#include "h1/head_writer.hpp"

#include "http/date.hpp"

#include <charconv>
#include <cstring>

namespace millrace::h1 {
namespace {

using http::FieldId;

/// Unchecked writing into room that was measured before.
class Cursor {
 public:
  explicit Cursor(char* at) noexcept : begin_(at), at_(at) {}
  void put(std::string_view text) noexcept {
    if (text.empty()) return;  // memcpy must not see a null pointer
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put_number(std::uint64_t n) noexcept { at_ = std::to_chars(at_, at_ + 20, n).ptr; }
  void put_field(std::string_view name, std::string_view value) noexcept {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }
  [[nodiscard]] std::size_t written() const noexcept {
    return static_cast<std::size_t>(at_ - begin_);
  }

 private:
  char* begin_;
  char* at_;
};

constexpr std::size_t kFramingBytesMax = 256;

std::size_t fields_bytes(const http::Fields& fields) noexcept {
  std::size_t total = 0;
  for (const http::Field& f : fields) total += f.name.size() + f.value.size() + 4;
  return total;
}

void put_upgrade(Cursor& c, std::string_view protocol, std::string_view options) noexcept {
  c.put_field("Connection", options);
  c.put_field("Upgrade", protocol);
}

bool is_framing(FieldId id) noexcept {
  return id == FieldId::kContentLength || id == FieldId::kTransferEncoding ||
         id == FieldId::kConnection || id == FieldId::kKeepAlive ||
         id == FieldId::kProxyConnection || id == FieldId::kUpgrade;
}

void put_status_line(Cursor& c, int status) noexcept {
  if (status == 200) return c.put("HTTP/1.1 200 OK\r\n");
  c.put("HTTP/1.1 ");
  c.put_number(static_cast<std::uint64_t>(status));
  c.put(" ");
  c.put(http::reason_phrase(status));
  c.put("\r\n");
}

}  // namespace

void write_response_head(ByteBuffer& out, const http::ResponseHead& head,
                         const ResponseFraming& framing) {
  const std::size_t bytes = fields_bytes(head.fields) + framing.upgrade.size() + kFramingBytesMax;
  Cursor c(out.prepare(bytes).data());
  put_status_line(c, head.status);
  bool has_date = false;
  for (const http::Field& f : head.fields) {
    if (is_framing(f.id)) continue;
    has_date = has_date || f.id == FieldId::kDate;
    c.put_field(f.name, f.value);
  }
  if (!has_date) c.put_field("Date", http::date_now());
  if (framing.chunked) {
    c.put("Transfer-Encoding: chunked\r\n");
  } else if (framing.zero_length) {
    c.put("Content-Length: 0\r\n");
  } else if (http::says_length(head)) {
    c.put("Content-Length: ");
    c.put_number(head.body.bytes);
    c.put("\r\n");
  }
  if (!framing.upgrade.empty()) put_upgrade(c, framing.upgrade, "Upgrade");
  if (framing.close) c.put("Connection: close\r\n");
  if (framing.keep_alive && !framing.close) c.put("Connection: keep-alive\r\n");
  c.put("\r\n");
  out.commit(c.written());
}

void write_interim_head(ByteBuffer& out, int status, const http::Fields& fields) {
  Cursor c(out.prepare(fields_bytes(fields) + kFramingBytesMax).data());
  put_status_line(c, status);
  for (const http::Field& f : fields)
    if (!is_framing(f.id)) c.put_field(f.name, f.value);
  c.put("\r\n");
  out.commit(c.written());
}

void write_request_head(ByteBuffer& out, const RequestLine& line, const http::Fields& fields,
                        http::BodyLength body, bool expects_body) {
  const std::size_t bytes = line.method.size() + line.target.size() + line.host.size() +
                            line.upgrade.size() + fields_bytes(fields) + kFramingBytesMax;
  Cursor c(out.prepare(bytes).data());
  c.put(line.method);
  c.put(" ");
  c.put(line.target);
  c.put(" HTTP/1.1\r\n");
  c.put_field("Host", line.host);
  bool has_te = false;
  for (const http::Field& f : fields) {
    if (is_framing(f.id) || f.id == FieldId::kHost) continue;
    c.put_field(f.name, f.value);
    has_te = has_te || f.id == FieldId::kTe;
  }
  // RFC 9110 sections 7.8 and 10.1.4.
  if (!line.upgrade.empty())
    put_upgrade(c, line.upgrade, has_te ? "Upgrade, TE" : "Upgrade");
  else if (has_te)
    c.put("Connection: TE\r\n");
  if (body.kind == http::BodyLength::Kind::kUnknown) {
    c.put("Transfer-Encoding: chunked\r\n");
  } else if (body.is_known() || expects_body) {
    c.put("Content-Length: ");
    c.put_number(body.bytes);
    c.put("\r\n");
  }
  c.put("\r\n");
  out.commit(c.written());
}

void write_last_chunk(ByteBuffer& out, const http::Fields* trailers) {
  Cursor c(out.prepare((trailers != nullptr ? fields_bytes(*trailers) : 0) + 8).data());
  c.put("0\r\n");
  if (trailers != nullptr)
    for (const http::Field& f : *trailers) c.put_field(f.name, f.value);
  c.put("\r\n");
  out.commit(c.written());
}

void write_chunk_line(ByteBuffer& out, std::size_t bytes) {
  char* at = out.prepare(20).data();
  char* end = std::to_chars(at, at + 16, bytes, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.commit(static_cast<std::size_t>(end - at));
}

}  // namespace millrace::h1
