// Base64 (RFC 4648 section 4): the alphabet with '+' and '/', padded.
//
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// Appends `bytes`, padded to a multiple of four. A text may be made of pieces when all but the
/// last have a multiple of three bytes.
void append_base64(std::string& out, std::string_view bytes);

/// Strict: whole groups, padding only at the end, no white space, no bits left over. nullopt:
/// malformed.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace millrace
