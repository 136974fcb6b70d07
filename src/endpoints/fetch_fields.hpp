// Which fields a client may have sent in its name, to servers that it chose: for the fetch endpoint
// and the batch.
//
// Thread rule: pure functions.
#pragma once

#include <string_view>

namespace millrace::endpoints {

/// Ours, unless the client chose another.
inline constexpr std::string_view kFetchUserAgent = "millrace";

/// A token that neither frames nor routes, and does not tell who the client is: not Host,
/// Connection, Content-Length, Transfer-Encoding, Via, X-Forwarded-*, Proxy-*... Authorization and
/// Cookie are the client's own.
[[nodiscard]] bool may_be_chosen(std::string_view name) noexcept;

}  // namespace millrace::endpoints
