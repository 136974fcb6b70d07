#include "fuzz/h2_answers.hpp"

#include "fuzz/check.hpp"
#include "http/ascii.hpp"

#include <charconv>
#include <map>
#include <memory>

#include <nghttp2/nghttp2.h>

namespace millrace::fuzz {
namespace {

constexpr std::size_t kFrameHeadBytes = 9;

struct Frame {
  std::uint8_t type = 0, flags = 0;
  std::uint32_t stream = 0;
  std::string_view payload;
  [[nodiscard]] bool has(std::uint8_t flag) const noexcept { return (flags & flag) != 0; }
};

/// What came on one stream.
struct Answer {
  int status = 0;  ///< of the final head
  std::optional<std::uint64_t> length;
  std::string body;
  bool ended = false;
  bool reset = false;
};

class Judge {
 public:
  Judge() {
    nghttp2_hd_inflater* inflater = nullptr;
    check(::nghttp2_hd_inflate_new(&inflater) == 0, "inflater");
    inflater_.reset(inflater);
  }
  void take(const Frame& frame);
  [[nodiscard]] const std::map<std::uint32_t, Answer>& answers() const noexcept { return answers_; }

 private:
  void headers(const Frame& frame, Answer& answer);
  void field(std::string_view name, std::string_view value, Answer& head);
  void data(const Frame& frame, Answer& answer);

  struct Free {
    void operator()(nghttp2_hd_inflater* i) const noexcept { ::nghttp2_hd_inflate_del(i); }
  };
  std::unique_ptr<nghttp2_hd_inflater, Free> inflater_;
  std::map<std::uint32_t, Answer> answers_;
  bool settings_seen_ = false;
};

void Judge::field(std::string_view name, std::string_view value, Answer& head) {
  check(!name.empty() && http::all_are(value, http::kValueByte), "a bad field");
  if (name == ":status") {
    check(head.status == 0 && value.size() == 3, "status");
    std::from_chars(value.data(), value.data() + value.size(), head.status);
    return;
  }
  check(http::is_token(name), "a name that is none");
  for (const char c : name) check(c == http::to_lower(c), "upper case in a name");
  for (const std::string_view hop :
       {"connection", "transfer-encoding", "keep-alive", "upgrade", "proxy-connection"})
    check(name != hop, "a field of HTTP/1");
  if (name == "content-length") head.length = http::parse_decimal(value);
}

void Judge::headers(const Frame& frame, Answer& answer) {
  check(frame.has(NGHTTP2_FLAG_END_HEADERS), "a head in pieces");
  Answer head;
  const auto* at = reinterpret_cast<const std::uint8_t*>(frame.payload.data());
  std::size_t left = frame.payload.size();
  for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
    nghttp2_nv nv{};
    flags = 0;
    const ssize_t used = ::nghttp2_hd_inflate_hd2(inflater_.get(), &nv, &flags, at, left, 1);
    check(used >= 0, "a field block that does not decode");
    at += used;
    left -= static_cast<std::size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
      field({reinterpret_cast<const char*>(nv.name), nv.namelen},
            {reinterpret_cast<const char*>(nv.value), nv.valuelen}, head);
  }
  ::nghttp2_hd_inflate_end_headers(inflater_.get());
  const bool trailers = answer.status != 0;
  check(trailers ? head.status == 0 : head.status >= 100 && head.status != 101, "a wrong head");
  check(!trailers || frame.has(NGHTTP2_FLAG_END_STREAM), "trailers that do not end the stream");
  if (head.status >= 200) {
    answer.status = head.status;
    answer.length = head.length;
  }
}

void Judge::data(const Frame& frame, Answer& answer) {
  check(answer.status != 0, "a body before its head");
  check(!frame.has(NGHTTP2_FLAG_PADDED), "padding");
  answer.body.append(frame.payload);
}

void Judge::take(const Frame& frame) {
  check(settings_seen_ || frame.type == NGHTTP2_SETTINGS, "something before SETTINGS");
  settings_seen_ = true;
  const bool of_connection =
      frame.type == NGHTTP2_SETTINGS || frame.type == NGHTTP2_PING || frame.type == NGHTTP2_GOAWAY;
  if (of_connection) return check(frame.stream == 0, "a stream where none belongs");
  if (frame.type == NGHTTP2_WINDOW_UPDATE) return;
  check(frame.stream % 2 == 1, "a stream that no client opens");
  Answer& answer = answers_[frame.stream];
  if (frame.type == NGHTTP2_RST_STREAM) {
    answer.reset = true;
    return;
  }
  check(!answer.ended && !answer.reset, "a frame behind the stream's end");
  check(frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_DATA, "an unexpected frame");
  if (frame.type == NGHTTP2_HEADERS)
    headers(frame, answer);
  else
    data(frame, answer);
  answer.ended = frame.has(NGHTTP2_FLAG_END_STREAM);
}

std::uint32_t number_at(std::string_view wire, std::size_t at, std::size_t bytes) {
  std::uint32_t n = 0;
  for (std::size_t i = 0; i < bytes; ++i) n = n << 8 | static_cast<std::uint8_t>(wire[at + i]);
  return n;
}

/// The last frame may be cut off: the client may have ended the connection.
bool take_frame(std::string_view& wire, Frame& frame) {
  if (wire.size() < kFrameHeadBytes) return false;
  const std::size_t length = number_at(wire, 0, 3);
  if (wire.size() < kFrameHeadBytes + length) return false;
  frame = {.type = static_cast<std::uint8_t>(wire[3]),
           .flags = static_cast<std::uint8_t>(wire[4]),
           .stream = number_at(wire, 5, 4),
           .payload = wire.substr(kFrameHeadBytes, length)};
  wire.remove_prefix(kFrameHeadBytes + length);
  return true;
}

void check_answer(const Answer& answer, const Record& record) {
  if (answer.status == 0) return;  // reset, or the connection ended first
  const bool tunnel = record.status == 101;
  if (!record.wants_upgrade) check(answer.status == record.status, "another status");
  if (tunnel) check(answer.status == 200, "a tunnel that does not say so");
  const bool bodiless =
      record.method_id == http::Method::kHead || http::status_forbids_body(answer.status);
  if (bodiless) return check(answer.body.empty(), "a body where none may be");
  if (record.expected && !record.wants_upgrade)
    check(record.expected->starts_with(answer.body), "another body");
  if (!answer.ended) return;
  // Whole by the length that it says, it ends with its last byte: a fault of the request that comes
  // after that comes too late.
  const bool whole = answer.length && answer.body.size() == *answer.length;
  check(record.finished || whole, "an answer that was not finished ends cleanly");
  if (answer.length) check(answer.body.size() == *answer.length, "another length");
  if (record.expected && !record.wants_upgrade)
    check(answer.body == *record.expected, "a shorter body ends cleanly");
}

}  // namespace

void check_h2_answers(std::string_view wire, const std::deque<Record>& records,
                      std::string_view mark) {
  Judge judge;
  for (Frame frame; take_frame(wire, frame);) judge.take(frame);
  for (const auto& [stream, answer] : judge.answers()) {
    const std::string query = std::to_string(stream).append("-").append(mark);
    for (const Record& record : records)
      if (record.query == query) check_answer(answer, record);
  }
}

}  // namespace millrace::fuzz
