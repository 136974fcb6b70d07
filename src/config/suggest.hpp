// "did you mean": the nearest of the words that would have been right.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace::config {

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other, ignoring ASCII
/// case.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that a typing mistake turns into `word`: at most one edit per three characters and
/// three in all. Empty when none is near; the first of equals.
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       std::span<const std::string_view> candidates);

/// `, did you mean "threads"?`, or nothing: ready to be put behind a message.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string_view> candidates);

}  // namespace millrace::config
