#include "fuzz/h2_script.hpp"

#include "fuzz/pieces.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace millrace::fuzz {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// A flood costs the server its budget and the fuzzer its time: this many frames are one.
constexpr std::size_t kRecordsMax = 1200;

enum Type : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kContinuation = 9,
  kPriorityUpdate = 16
};
enum Kind : std::uint8_t {
  kRawHeaders = 10,
  kPriorityUpdates = 11,
  kRawBytes = 12,
  kTurn = 13,
  kTrailers = 14,
  kAnyType = 15
};
enum Flag : std::uint8_t {
  kEndHeaders = 0x4,
  kWithoutEndHeaders = 0x10,
  kWithPriority = 0x20,
  kRepeated = 0x40,
  kWrongLength = 0x80
};
enum Bit : std::uint8_t {
  kExtendedConnect = 1,
  kNoScheme = 2,
  kHostField = 4,
  kPathTwice = 8,
  kPseudoBehind = 16,
  kUpperCase = 32
};

struct Record {
  std::uint8_t kind, flags, stream;
  std::string_view payload;
};

/// Takes one off `input`; what is missing at the end is zero or shorter.
Record take_record(std::string_view& input) {
  const auto byte = [&input] {
    if (input.empty()) return std::uint8_t{0};
    const auto b = static_cast<std::uint8_t>(input.front());
    input.remove_prefix(1);
    return b;
  };
  const std::uint8_t kind = byte() % 16, flags = byte(), stream = byte(), size = byte();
  const std::string_view payload = input.substr(0, size);
  input.remove_prefix(payload.size());
  return {kind, flags, stream, payload};
}

// --- HPACK, literals without indexing only (RFC 7541 section 6.2.2) ---

void put_length(std::string& block, std::size_t n) {
  constexpr std::size_t kPrefix = 127;
  block += static_cast<char>(std::min(n, kPrefix));
  if (n < kPrefix) return;
  for (n -= kPrefix; n >= 128; n /= 128) block += static_cast<char>(n % 128 + 128);
  block += static_cast<char>(n);
}

void put_field(std::string& block, std::string_view name, std::string_view value) {
  block += '\0';
  put_length(block, name.size());
  block.append(name);
  put_length(block, value.size());
  block.append(value);
}

void put_lines(std::string& block, std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const std::size_t colon = line.find(':', 1);
    if (colon == std::string_view::npos) continue;
    put_field(block, line.substr(0, colon), line.substr(colon + 1));
  }
}

class Builder {
 public:
  explicit Builder(std::string_view input) {
    script_.mark = std::to_string(Dice(input).below(SIZE_MAX));
    script_.pieces.emplace_back(kPreface);
    put_frame(kSettings, 0, 0, {});
    for (std::size_t n = 0; !input.empty() && n < kRecordsMax; ++n) add(take_record(input));
  }
  H2Script take() { return std::move(script_); }

 private:
  void add(const Record& r);
  void put_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                 std::string_view payload);
  void put_headers(const Record& r, std::uint32_t stream, std::string block);
  [[nodiscard]] std::string request(std::string_view payload, std::uint32_t stream) const;
  std::uint32_t next_stream(std::uint8_t stream);
  [[nodiscard]] std::uint32_t known_stream(std::uint8_t stream) const;

  H2Script script_;
  std::vector<std::uint32_t> opened_;
  std::uint32_t next_ = 1;
};

void Builder::put_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                        std::string_view payload) {
  const std::size_t length = payload.size() + ((flags & kWrongLength) != 0 ? 1 : 0);
  const std::array<std::size_t, 9> head{length >> 16, length >> 8,  length,      type,  flags,
                                        stream >> 24, stream >> 16, stream >> 8, stream};
  std::string& out = script_.pieces.back();
  for (const std::size_t byte : head) out += static_cast<char>(byte);
  out.append(payload);
}

void Builder::put_headers(const Record& r, std::uint32_t stream, std::string block) {
  std::uint8_t flags = r.flags;
  if ((flags & kWithoutEndHeaders) == 0) flags |= kEndHeaders;
  if ((flags & kWithPriority) != 0) block.insert(0, 5, '\1');
  put_frame(kHeaders, flags, stream, block);
}

std::string Builder::request(std::string_view payload, std::uint32_t stream) const {
  constexpr std::array<std::string_view, 8> kMethods{"GET",     "POST", "HEAD", "CONNECT",
                                                     "OPTIONS", "PUT",  "get",  "DELETE"};
  std::array<std::uint8_t, 3> choice{};
  for (std::size_t i = 0; i < choice.size() && i < payload.size(); ++i)
    choice[i] = static_cast<std::uint8_t>(payload[i]);
  payload.remove_prefix(std::min(payload.size(), choice.size()));
  const std::uint8_t bits = choice[2];
  std::string path = "/";
  path += static_cast<char>(choice[1] % 95 + 32);
  path.append("?").append(std::to_string(stream)).append("-").append(script_.mark);
  std::string block;
  const bool extended = (bits & kExtendedConnect) != 0;
  put_field(block, ":method", extended ? "CONNECT" : kMethods[choice[0] % kMethods.size()]);
  if (extended) put_field(block, ":protocol", "websocket");
  if ((bits & kNoScheme) == 0) put_field(block, ":scheme", "http");
  if ((bits & kPseudoBehind) == 0) put_field(block, ":path", path);
  if ((bits & kPathTwice) != 0) put_field(block, ":path", path);
  put_field(block, (bits & kHostField) != 0 ? "host" : ":authority", "a");
  if ((bits & kUpperCase) != 0) put_field(block, "X-Upper", "1");
  if ((bits & kPseudoBehind) != 0) {
    put_field(block, "x-before", "1");
    put_field(block, ":path", path);
  }
  put_lines(block, payload);
  return block;
}

std::uint32_t Builder::next_stream(std::uint8_t stream) {
  std::uint32_t id = stream & 0x7fU;
  if (stream < 0x80) {
    id = next_;
    next_ += 2;
  }
  opened_.push_back(id);
  return id;
}

std::uint32_t Builder::known_stream(std::uint8_t stream) const {
  if (stream >= 0x80) return stream & 0x7fU;
  return opened_.empty() ? 1 : opened_[stream % opened_.size()];
}

void Builder::add(const Record& r) {
  std::string payload(r.payload);
  if ((r.flags & kRepeated) != 0)
    for (int doubled = 0; doubled < 4; ++doubled) payload += payload;
  switch (r.kind) {
    case kHeaders: {
      const std::uint32_t stream = next_stream(r.stream);
      return put_headers(r, stream, request(payload, stream));
    }
    case kRawHeaders:
      return put_headers(r, next_stream(r.stream), payload);
    case kTrailers: {
      std::string block;
      put_lines(block, payload);
      return put_headers(r, known_stream(r.stream), block);
    }
    case kSettings:
    case kPing:
    case kGoAway:
      return put_frame(r.kind, r.flags, r.stream & 0x7fU, payload);
    case kPriorityUpdates:
      return put_frame(kPriorityUpdate, r.flags, r.stream & 0x7fU, payload);
    case kContinuation: {
      const bool last = (r.flags & kWithoutEndHeaders) == 0;
      const auto flags = static_cast<std::uint8_t>(r.flags | (last ? kEndHeaders : 0));
      return put_frame(kContinuation, flags, opened_.empty() ? 1 : opened_.back(), payload);
    }
    case kRawBytes:
      script_.pieces.back().append(payload);
      return;
    case kTurn:
      script_.pieces.emplace_back();
      return;
    case kAnyType: {
      if (payload.empty()) return;
      const auto type = static_cast<std::uint8_t>(payload.front());
      return put_frame(type, r.flags, known_stream(r.stream), std::string_view(payload).substr(1));
    }
    default:
      return put_frame(r.kind, r.flags, known_stream(r.stream), payload);
  }
}

}  // namespace

H2Script make_h2_script(std::string_view input) {
  return Builder(input).take();
}

}  // namespace millrace::fuzz
