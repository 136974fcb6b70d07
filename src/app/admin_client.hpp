// One question to the admin address of a running server, over TCP or a unix socket.
//
// Thread rule: blocks the calling thread, which is no io thread.
#pragma once

#include "config/address.hpp"
#include "http/method.hpp"

#include <cstddef>
#include <expected>
#include <string>

namespace millrace::app {

struct AdminAnswer {
  int status = 0;
  std::string body;
};

/// Larger answers are an error.
inline constexpr std::size_t kAdminAnswerBytesMax = std::size_t{64} << 20;

/// GET, or POST without a body. A wildcard address is asked at loopback. The error is one line for
/// a person.
[[nodiscard]] std::expected<AdminAnswer, std::string> ask_admin(const config::Address& admin,
                                                                http::Method method,
                                                                const std::string& path);

}  // namespace millrace::app
