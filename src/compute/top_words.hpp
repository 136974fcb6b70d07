// The most frequent words of a text, streaming, exactly or not at all.
//
// Words are those of wordcount.hpp, compared as bytes: "Word" and "word" differ, "word." is a third
// one. Unprintable and invalid bytes within or behind a word belong to it, so a word may be no
// valid UTF-8.
//
// An approximate list would be wrong exactly where one looks, so there is none: when the distinct
// words outgrow the limits, update fails.
#pragma once

#include "base/error.hpp"
#include "compute/wordcount.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace millrace::compute {

struct TopWordsLimits {
  std::size_t words_max = 1'000'000;  ///< distinct; about 40 bytes each beside the text
  std::size_t text_bytes_max =
      32 * 1024 * 1024;  ///< of all distinct words, and of the one being read
};

struct WordFrequency {
  std::string word;
  std::uint64_t count = 0;
  friend bool operator==(const WordFrequency&, const WordFrequency&) = default;
};

/// Thread rule: one thread at a time, any thread.
class TopWords {
 public:
  /// `seed` keys the hash (SipHash-1-3), so that no text can be made to collide: draw it at random.
  struct Seed {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
  };
  explicit TopWords(Seed seed, TopWordsLimits limits = {}, Simd simd = best_simd());

  /// kMediaTooLarge: more words, or more text in them, than the limits. Useless afterwards.
  [[nodiscard]] Result<void> update(std::span<const std::byte> bytes);

  struct Summary {
    Counts counts;
    std::vector<WordFrequency> top;  ///< by count, then by bytes; at most k
  };
  /// No update may follow.
  [[nodiscard]] Result<Summary> finish(std::size_t k);

 private:
  struct Entry {
    std::size_t offset;  ///< in text_
    std::uint32_t size;
    std::uint32_t check;  ///< the hash's high half
    std::uint64_t count;
  };

  Result<void> drain(bool last);
  Result<void> block(const std::byte* p, const TextBlock& block);
  Result<void> extend(const std::byte* p, std::size_t size);
  Result<void> close_word();
  void grow();

  const Seed seed_;
  const TopWordsLimits limits_;
  const TextScanner* scanner_;
  WordCounter counter_;
  std::uint64_t outside_ = 1;
  std::vector<std::byte> input_;  ///< not judged yet
  std::string word_;              ///< the one being read
  std::string text_;              ///< all distinct words
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  ///< open addressing: index into entries_ plus 1, 0 empty
};

}  // namespace millrace::compute
