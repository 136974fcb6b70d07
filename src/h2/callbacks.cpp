#include "h2/callbacks.hpp"

#include "h2/limits.hpp"
#include "h2/server_session.hpp"

#include <new>

namespace millrace::h2 {
namespace {

ServerSession& host(void* user) noexcept {
  return *static_cast<ServerSession*>(user);
}

nghttp2_session_callbacks* make_callbacks() {
  nghttp2_session_callbacks* c = nullptr;
  if (::nghttp2_session_callbacks_new(&c) != 0) throw std::bad_alloc();
  ::nghttp2_session_callbacks_set_on_begin_frame_callback(
      c, [](nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
        return host(user).on_begin_frame(*head);
      });
  ::nghttp2_session_callbacks_set_on_begin_headers_callback(
      c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
        return host(user).on_begin_headers(*frame);
      });
  ::nghttp2_session_callbacks_set_on_header_callback2(
      c, [](nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
            std::uint8_t, void* user) { return host(user).on_header(name, value); });
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
  ::nghttp2_session_callbacks_set_on_stream_close_callback(
      c, [](nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
        return host(user).on_stream_close(id);
      });
  ::nghttp2_session_callbacks_set_send_data_callback(
      c, [](nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_head, std::size_t length,
            nghttp2_data_source* source, void* user) {
        return host(user).on_send_data(*static_cast<ServerStream*>(source->ptr), frame_head,
                                       length);
      });
  return c;
}

nghttp2_option* make_options() {
  nghttp2_option* o = nullptr;
  if (::nghttp2_option_new(&o) != 0) throw std::bad_alloc();
  // The window is given back when a handler has taken the bytes, not when they arrive.
  ::nghttp2_option_set_no_auto_window_update(o, 1);
  ::nghttp2_option_set_no_closed_streams(o, 1);
  // Messages are judged by the gate, as for HTTP/1, once: what it must know of HTTP/2 is in
  // HeadCollector and ServerStream.
  ::nghttp2_option_set_no_http_messaging(o, 1);
  ::nghttp2_option_set_peer_max_concurrent_streams(o, kStreamsMax);
  ::nghttp2_option_set_builtin_recv_extension_type(o, NGHTTP2_PRIORITY_UPDATE);
  // Ours are limited where they come from. Over its own 64 KiB nghttp2 says nothing at all: the
  // client would wait for ever.
  ::nghttp2_option_set_max_send_header_block_length(o, kSentHeadBytesMax);
  return o;
}

}  // namespace

const nghttp2_session_callbacks* server_callbacks() {
  static const nghttp2_session_callbacks* const callbacks = make_callbacks();
  return callbacks;
}

const nghttp2_option* server_options() {
  static const nghttp2_option* const options = make_options();
  return options;
}

nghttp2_data_provider data_provider(ServerStream& stream) noexcept {
  return {.source = {.ptr = &stream},
          .read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t length,
                              std::uint32_t* flags, nghttp2_data_source* source, void*) {
            return static_cast<ServerStream*>(source->ptr)->offer(length, *flags);
          }};
}

}  // namespace millrace::h2
