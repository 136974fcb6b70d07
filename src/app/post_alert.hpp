// Tells a webhook what has happened to a process.
#pragma once

#include "client/client.hpp"
#include "runtime/task.hpp"

#include <string>

namespace millrace::app {

/// Posts `json` to `url`, once, for ten seconds at most; "alert_failed" in the log when that fails.
/// The URL is the operator's: no address guard.
[[nodiscard]] Task<void> post_alert(client::Client& client, std::string url, std::string json);

}  // namespace millrace::app
