// HTTP/2 frames written and read by hand: exactly what a test says, well-formed or not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace millrace::test {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct Frame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload;

  [[nodiscard]] bool ends_stream() const noexcept { return (flags & NGHTTP2_FLAG_END_STREAM) != 0; }
  /// The 32 bits at `at`: error codes, increments, stream ids.
  [[nodiscard]] std::uint32_t number(std::size_t at = 0) const {
    std::uint32_t n = 0;
    for (std::size_t i = 0; i < 4; ++i) n = n << 8 | static_cast<std::uint8_t>(payload.at(at + i));
    return n;
  }
};

[[nodiscard]] inline std::string bytes_of(std::uint32_t number, int bytes = 4) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(number >> (8 * i)));
  return out;
}

[[nodiscard]] inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                                       std::string_view payload = {}) {
  std::string out = bytes_of(static_cast<std::uint32_t>(payload.size()), 3);
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  return out + bytes_of(stream) + std::string(payload);
}

/// Literals that enter no table.
[[nodiscard]] inline std::string hpack(const HeaderList& list) {
  const auto text = [](const std::string& s) {
    std::string out;
    std::size_t n = s.size();
    if (n < 127) {
      out.push_back(static_cast<char>(n));
      return out + s;
    }
    out.push_back(127);
    for (n -= 127; n >= 128; n /= 128) out.push_back(static_cast<char>(128 + n % 128));
    out.push_back(static_cast<char>(n));
    return out + s;
  };
  std::string out;
  for (const auto& [name, value] : list) out += '\x10' + text(name) + text(value);
  return out;
}

[[nodiscard]] inline HeaderList get_head(std::string path = "/fixed") {
  return {{":method", "GET"}, {":scheme", "http"}, {":path", std::move(path)}, {":authority", "a"}};
}
[[nodiscard]] inline HeaderList post_head(std::string path) {
  HeaderList head = get_head(std::move(path));
  head[0].second = "POST";
  return head;
}

/// HEADERS with everything in one frame.
[[nodiscard]] inline std::string headers(std::uint32_t stream, const HeaderList& list,
                                         bool end_stream = true) {
  const auto flags = static_cast<std::uint8_t>(NGHTTP2_FLAG_END_HEADERS |
                                               (end_stream ? NGHTTP2_FLAG_END_STREAM : 0));
  return frame(NGHTTP2_HEADERS, flags, stream, hpack(list));
}
[[nodiscard]] inline std::string data(std::uint32_t stream, std::string_view bytes,
                                      bool end_stream = true) {
  return frame(NGHTTP2_DATA, end_stream ? NGHTTP2_FLAG_END_STREAM : 0, stream, bytes);
}

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
[[nodiscard]] inline std::string hello(std::string_view settings = {}) {
  return std::string(kPreface) + frame(NGHTTP2_SETTINGS, 0, 0, settings);
}

/// Header blocks of one connection's direction, one after the other.
class HeaderDecoder {
 public:
  HeaderDecoder() { ::nghttp2_hd_inflate_new(&inflater_); }
  HeaderDecoder(const HeaderDecoder&) = delete;
  HeaderDecoder& operator=(const HeaderDecoder&) = delete;
  ~HeaderDecoder() { ::nghttp2_hd_inflate_del(inflater_); }

  HeaderList decode(const Frame& f) {
    HeaderList list;
    auto* at = reinterpret_cast<const std::uint8_t*>(f.payload.data());
    std::size_t left = f.payload.size();
    for (;;) {
      nghttp2_nv nv{};
      int flags = 0;
      const ssize_t used = ::nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, at, left, 1);
      if (used < 0) return list;
      at += used;
      left -= static_cast<std::size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
        list.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                          std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    ::nghttp2_hd_inflate_end_headers(inflater_);
    return list;
  }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
};

[[nodiscard]] inline std::string value_of(const HeaderList& list, std::string_view name) {
  for (const auto& [n, value] : list)
    if (n == name) return value;
  return {};
}

}  // namespace millrace::test
