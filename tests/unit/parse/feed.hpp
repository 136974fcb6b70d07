// Feeds splitters in pieces, each in a block of exactly its size, so that a sanitizer sees a step
// too far and a view that outlives its piece.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::parse {

/// Sizes of pieces that a text is fed in.
inline constexpr std::array<std::size_t, 6> kCuts = {1, 2, 3, 7, 17, 40};

/// What a splitter gave: items, copied by `copy`, and the fault that ended them.
template <class Item, class Fault>
struct Given {
  std::vector<Item> items;
  std::optional<Fault> fault;

  friend bool operator==(const Given&, const Given&) = default;
};

/// `copy` makes an Item of what next() and finish() give.
template <class Item, class Splitter, class Copy>
auto give(Splitter splitter, std::string_view text, std::size_t bytes, Copy copy) {
  using Fault = typename Splitter::Next::error_type;
  Given<Item, Fault> given;
  const auto take = [&](const typename Splitter::Next& next) {
    if (!next) given.fault = next.error();
    if (!next || !*next) return false;
    given.items.push_back(copy(**next));
    return true;
  };
  for (std::size_t at = 0; at < text.size() && !given.fault; at += bytes) {
    const std::string_view piece = text.substr(at, bytes);
    const std::vector<char> exact(piece.begin(), piece.end());
    splitter.feed({exact.data(), exact.size()});
    while (take(splitter.next())) {
    }
  }
  splitter.feed({});
  if constexpr (requires { splitter.finish(); })
    while (!given.fault && take(splitter.finish())) {
    }
  if (given.fault) {
    splitter.feed("more\n\n");
    EXPECT_EQ(splitter.next().error(), *given.fault) << "a fault stays";
  }
  return given;
}

/// The same however it is cut.
template <class Item, class Splitter, class Copy>
auto give(const Splitter& splitter, std::string_view text, Copy copy) {
  auto whole = give<Item>(splitter, text, text.size() + 1, copy);
  for (const std::size_t bytes : kCuts)
    EXPECT_TRUE(give<Item>(splitter, text, bytes, copy) == whole) << text << " by " << bytes;
  return whole;
}

}  // namespace millrace::parse
