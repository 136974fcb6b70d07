// What `wc -lwmc` counts, streaming: bytes, lines, words, characters.
//
// Equal to GNU wc 9.1 in C.UTF-8 on every input. The definition:
//  - a line is a newline byte; text behind the last one is no line;
//  - a character is a valid UTF-8 sequence (also the unprintable ones; glibc's decoder takes
//  numbers above
//    U+10FFFF too, refuses overlong forms and surrogates); bytes that are none are not counted;
//  - words are what blanks separate (ASCII white space, and the Unicode spaces of char_class.hpp,
//  no-break
//    ones included); a word needs a printable character: controls, unassigned code points and
//    invalid bytes neither make nor part one.
// wc 9.5 and newer count unprintable and invalid bytes as parts of words; on printable text all
// agree.
#pragma once

#include "compute/text_scan.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::compute {

struct Counts {
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  std::uint64_t words = 0;
  std::uint64_t chars = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
};

/// Constant memory; the result does not depend on where the input is cut into updates.
/// Thread rule: one thread at a time, any thread.
class WordCounter {
 public:
  explicit WordCounter(Simd simd = best_simd()) noexcept : scanner_(&text_scanner(simd)) {}

  void update(std::span<const std::byte> bytes) noexcept;
  /// The counts of everything so far. More may be counted afterwards.
  [[nodiscard]] Counts finish() const noexcept;

 private:
  [[nodiscard]] std::span<const std::byte> fill_held(std::span<const std::byte> bytes) noexcept;

  const TextScanner* scanner_;
  TextTotals totals_;
  std::uint64_t bytes_ = 0;
  std::size_t held_size_ = 0;                 ///< less than a block, except inside update
  std::array<std::byte, kTextBlock> held_{};  ///< what the next block begins with
};

}  // namespace millrace::compute
