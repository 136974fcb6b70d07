// `select` of a batch item: only the wanted values of a JSON answer are kept.
//
// Thread rule: one io thread.
#pragma once

#include "endpoints/batch_item.hpp"

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::endpoints {

/// "The answer is larger than 10 bytes."
[[nodiscard]] std::string larger_than(std::uint64_t bytes_max);

/// The error says what is wrong with the path.
[[nodiscard]] std::expected<void, std::string> check_select(std::string_view path);

/// Streams the body through the selector into `result`, which must outlive it. `path` has passed
/// check_select(). Errors of the body: kUpstreamBadMessage where it is not JSON,
/// kUpstreamTooLarge where more than `bytes_max` is selected.
[[nodiscard]] std::unique_ptr<BodyTaker> make_selected_body(std::string_view path,
                                                            BatchResult& result,
                                                            std::uint64_t bytes_max);

}  // namespace millrace::endpoints
