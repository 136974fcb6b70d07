// One content coding, as its file presents it to the table.
//
// A coding named NAME is NAME.cpp, which defines `coding_NAME`, and its name in this folder's
// meson.build.
#pragma once

#include "coding/decoder.hpp"

#include <memory>
#include <span>
#include <string_view>

namespace millrace::coding {

struct Coding {
  std::string_view name;
  /// Another name that means the same when received; empty: none.
  std::string_view alias;
  std::unique_ptr<Decoder> (*make_decoder)(const DecodeLimits& limits);
};

/// In the order of meson.build.
[[nodiscard]] std::span<const Coding* const> all_codings() noexcept;

}  // namespace millrace::coding
