// The client's seam to nghttp2: its callbacks call the members of ClientConnection of the same
// name, and the options that every session has. Made once, shared by all threads, never changed.
#pragma once

#include "h2/nghttp2.hpp"

namespace millrace::h2 {

[[nodiscard]] const nghttp2_session_callbacks* client_callbacks();
[[nodiscard]] const nghttp2_option* client_options();

/// The source of a stream's DATA frames.
[[nodiscard]] nghttp2_data_provider data_provider(class ClientStream& stream) noexcept;

}  // namespace millrace::h2
