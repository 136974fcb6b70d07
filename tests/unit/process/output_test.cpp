#include "process/output.hpp"

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::process {
namespace {

using Lines = std::vector<std::string>;

/// Cut into pieces of `size` bytes.
Lines lines_of(std::string_view text, std::size_t size) {
  Lines out;
  LineCutter cutter;
  const auto sink = [&](std::string_view line) { out.emplace_back(line); };
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size())))
    cutter.feed(text.substr(0, size), sink);
  cutter.finish(sink);
  return out;
}

TEST(LineCutter, CutsWhereverThePiecesEnd) {
  for (const std::size_t size : {1u, 2u, 3u, 100u})
    EXPECT_EQ(lines_of("one\ntwo\r\n\n\nthree", size), (Lines{"one", "two", "three"})) << size;
}

TEST(LineCutter, LongLinesComeInPieces) {
  const std::size_t max = LineCutter::kPieceMax;
  const std::string just(max, 'a'), over(max + 1, 'b');
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, 10 * max}) {
    EXPECT_EQ(lines_of(just + "\nx\n", size), (Lines{just, "x"}));
    EXPECT_EQ(lines_of(over + "\nx\n", size), (Lines{std::string(max, 'b'), "b", "x"}));
  }
}

TEST(LastLines, KeepsTheBeginningsOfLongOnes) {
  const std::string just(LastLines::kLineMax, 'a');
  LastLines lines;
  lines.add(just);
  lines.add(just + "b");
  EXPECT_EQ(lines.lines(), (std::deque<std::string>{just, just}));
}

TEST(LastLines, KeepsTheLast) {
  LastLines lines;
  for (std::size_t i = 0; i < LastLines::kLinesMax + 1; ++i) lines.add(std::to_string(i));
  EXPECT_EQ(lines.lines().size(), LastLines::kLinesMax);
  EXPECT_EQ(lines.lines().front(), "1");
}

}  // namespace
}  // namespace millrace::process
