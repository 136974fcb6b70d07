// nghttp2 behind RAII. Only src/h2 includes this.
//
// nghttp2's heap is the thread's frame pool: its many small blocks come and go with the streams.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include <nghttp2/nghttp2.h>

namespace millrace::h2 {

struct FreeSession {
  void operator()(nghttp2_session* session) const noexcept { ::nghttp2_session_del(session); }
};
using SessionPtr = std::unique_ptr<nghttp2_session, FreeSession>;

/// Blocks of the calling thread's frame pool; a session lives and dies on one thread.
[[nodiscard]] nghttp2_mem* pooled_memory() noexcept;

/// A counted reference to a header string of nghttp2.
class HeaderText {
 public:
  explicit HeaderText(nghttp2_rcbuf* text) noexcept : text_(text) { ::nghttp2_rcbuf_incref(text); }
  HeaderText(HeaderText&& other) noexcept : text_(std::exchange(other.text_, nullptr)) {}
  HeaderText& operator=(HeaderText&& other) noexcept {
    std::swap(text_, other.text_);
    return *this;
  }
  ~HeaderText() {
    if (text_ != nullptr) ::nghttp2_rcbuf_decref(text_);
  }

 private:
  nghttp2_rcbuf* text_;
};

[[nodiscard]] inline std::string_view view(nghttp2_rcbuf* text) noexcept {
  const nghttp2_vec bytes = ::nghttp2_rcbuf_get_buf(text);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

}  // namespace millrace::h2
