#include "h2/client_callbacks.hpp"

#include "h2/client_connection.hpp"
#include "h2/client_stream.hpp"
#include "h2/limits.hpp"

#include <new>

namespace millrace::h2 {
namespace {

ClientConnection& host(void* user) noexcept {
  return *static_cast<ClientConnection*>(user);
}

nghttp2_session_callbacks* make_callbacks() {
  nghttp2_session_callbacks* c = nullptr;
  if (::nghttp2_session_callbacks_new(&c) != 0) throw std::bad_alloc();
  ::nghttp2_session_callbacks_set_on_begin_frame_callback(
      c, [](nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
        return host(user).on_begin_frame(*head);
      });
  ::nghttp2_session_callbacks_set_on_header_callback2(
      c, [](nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
            std::uint8_t, void* user) { return host(user).on_header(*frame, name, value); });
  ::nghttp2_session_callbacks_set_on_frame_recv_callback(
      c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return host(user).on_frame(*frame);
      });
  ::nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      c, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
            std::size_t size, void* user) {
        return host(user).on_data(id, {reinterpret_cast<const char*>(data), size});
      });
  ::nghttp2_session_callbacks_set_on_frame_send_callback(
      c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return host(user).on_frame_sent(*frame);
      });
  ::nghttp2_session_callbacks_set_on_frame_not_send_callback(
      c, [](nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
        return host(user).on_frame_not_sent(*frame);
      });
  ::nghttp2_session_callbacks_set_on_stream_close_callback(
      c, [](nghttp2_session*, std::int32_t id, std::uint32_t h2_error, void* user) {
        return host(user).on_stream_close(id, h2_error);
      });
  ::nghttp2_session_callbacks_set_send_data_callback(
      c, [](nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_head, std::size_t length,
            nghttp2_data_source* source, void* user) {
        return host(user).on_send_data(*static_cast<ClientStream*>(source->ptr), frame_head,
                                       length);
      });
  return c;
}

nghttp2_option* make_options() {
  nghttp2_option* o = nullptr;
  if (::nghttp2_option_new(&o) != 0) throw std::bad_alloc();
  // The window is given back when the reader has taken the bytes, not when they arrive.
  ::nghttp2_option_set_no_auto_window_update(o, 1);
  ::nghttp2_option_set_no_closed_streams(o, 1);
  // Messages are judged as those of HTTP/1 are, once: by ClientStream and the gate.
  ::nghttp2_option_set_no_http_messaging(o, 1);
  ::nghttp2_option_set_max_send_header_block_length(o, kSentHeadBytesMax);
  return o;
}

}  // namespace

const nghttp2_session_callbacks* client_callbacks() {
  static const nghttp2_session_callbacks* const callbacks = make_callbacks();
  return callbacks;
}

const nghttp2_option* client_options() {
  static const nghttp2_option* const options = make_options();
  return options;
}

nghttp2_data_provider data_provider(ClientStream& stream) noexcept {
  return {.source = {.ptr = &stream},
          .read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length,
                              std::uint32_t* flags, nghttp2_data_source* source, void*) {
            return static_cast<ClientStream*>(source->ptr)->offer(length, *flags);
          }};
}

}  // namespace millrace::h2
