// `millrace explain`: what a configuration does with a request, without sending it.
#pragma once

#include "app/cli.hpp"
#include "config/config.hpp"

#include <expected>
#include <string>

namespace millrace::app {

/// A request as a person types it.
struct Question {
  std::string method;
  std::string url;  ///< "/path" or "http://host/path"; what follows a "#" is not sent
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Lines for a person: the route, and where the request goes from there. The error, likewise: the
/// request does not get as far as a route, or there is none for it.
[[nodiscard]] std::expected<std::string, std::string> explain_request(const config::Config& config,
                                                                      const Question& question);

[[nodiscard]] int explain(const ExplainCommand& command);

}  // namespace millrace::app
