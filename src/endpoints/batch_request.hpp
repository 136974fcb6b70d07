// What a batch asks for, from JSON:
//
//   {"requests": [ITEM...], "parallel": 16}       a whole batch
//   ITEM                                          one line of an NDJSON batch
//   ITEM: {"url":, "method":, "headers":, "body": or "body_base64":, "timeout":, "select":}
//
// Only url is required. headers is [[name, value]...] or {name: value}; timeout is "250ms", "5s"
// or a number of seconds; method is GET, or POST where there is a body; null is the same as
// nothing. Members of another name are an error: nobody wants "header" to be overlooked.
//
// Nothing is built but the items themselves, and reading stops at the first fault.
// Thread rule: pure functions, on any thread.
#pragma once

#include "endpoints/batch_item.hpp"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::endpoints {

struct BatchFault {
  Errc errc = Errc::kBadParameter;
  std::string detail;  ///< "requests[3].timeout: expected ..."
};

struct BatchRequest {
  std::vector<std::unique_ptr<BatchItem>> items;
  std::optional<unsigned> parallel;
};

/// Fields of one item: more are a fault.
inline constexpr std::size_t kItemHeadersMax = 100;
inline constexpr std::size_t kItemHeaderBytesMax = 64 * 1024;

[[nodiscard]] std::expected<BatchRequest, BatchFault> parse_batch(std::string_view text,
                                                                  const BatchLimits& limits);
/// The item has no index yet.
[[nodiscard]] std::expected<std::unique_ptr<BatchItem>, BatchFault> parse_batch_item(
    std::string_view line, const BatchLimits& limits);

}  // namespace millrace::endpoints
