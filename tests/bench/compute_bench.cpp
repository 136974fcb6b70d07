// Counting words, against GNU wc in the same run: BM_GnuWc feeds the text of BM_WordCount/ascii and
// /mixed to `wc -lwm` in C.UTF-8. Bytes per second of the first should be at least five times those
// of the second.
#include "compute/sqrt_sum.hpp"
#include "compute/top_words.hpp"
#include "compute/wordcount.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <unistd.h>

namespace millrace::compute {
namespace {

enum Text : std::int64_t { kAscii, kMixed, kCyrillic, kGreek, kChinese, kRandom };

const std::vector<std::string>& words_of(Text kind) {
  static const std::vector<std::string> kLists[] = {
      {"the", "quick", "Brown", "fox", "jumps,", "over", "lazy", "dog.", "internationalization",
       "I", "a"},
      {"the", "quick", "“Brown”", "fox", "—", "over", "Straße", "café", "naïve", "of", "and", "to",
       "in"},
      {"привет", "мир", "и", "это", "быстрая", "лисица"},
      {"γειά", "σου", "Κόσμε", "και", "το"},
      {"你好,世界", "快速的棕色狐狸", "跳过", "懒狗。"},
  };
  return kLists[kind];
}

std::string make_text(Text kind, std::size_t size) {
  std::mt19937 random(1);
  std::string text;
  text.reserve(size + 64);
  while (text.size() < size) {
    if (kind == kRandom) {
      text += static_cast<char>(random());
      continue;
    }
    const auto& words = words_of(kind);
    text += words[random() % words.size()];
    text += random() % 12 == 0 ? '\n' : ' ';
  }
  return text;
}

const char* name_of(Text kind) {
  static const char* const kNames[] = {"ascii", "mixed",   "cyrillic",
                                       "greek", "chinese", "random bytes"};
  return kNames[kind];
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

void BM_WordCount(benchmark::State& state) {
  const auto kind = static_cast<Text>(state.range(0));
  const auto simd = static_cast<Simd>(state.range(1));
  if (!supported(simd)) return state.SkipWithError("not on this machine");
  const std::string text = make_text(kind, 1 << 20);
  for (auto _ : state) {
    WordCounter counter(simd);
    counter.update(bytes_of(text));
    benchmark::DoNotOptimize(counter.finish());
  }
  state.SetLabel(name_of(kind));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_WordCount)
    ->ArgNames({"text", "simd"})
    ->ArgsProduct({{kAscii, kMixed, kCyrillic, kGreek, kChinese, kRandom}, {0, 1, 2}});

void BM_GnuWc(benchmark::State& state) {
  const auto kind = static_cast<Text>(state.range(0));
  const std::string text = make_text(kind, 64 << 20);
  std::string path = std::filesystem::temp_directory_path() / "millrace_bench_XXXXXX";
  const int fd = ::mkstemp(path.data());
  if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return state.SkipWithError("no temporary file");
  }
  ::close(fd);
  const std::string command = "LC_ALL=C.UTF-8 wc -lwm < " + path + " > /dev/null";
  for (auto _ : state) {
    if (std::system(command.c_str()) != 0) state.SkipWithError("no wc");
  }
  ::unlink(path.c_str());
  state.SetLabel(name_of(kind));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_GnuWc)->ArgName("text")->Arg(kAscii)->Arg(kMixed)->UseRealTime()->Unit(
    benchmark::kMillisecond);

void BM_TopWords(benchmark::State& state) {
  const std::string text = make_text(kMixed, 1 << 20);
  for (auto _ : state) {
    TopWords top({1, 2});
    benchmark::DoNotOptimize(top.update(bytes_of(text)));
    benchmark::DoNotOptimize(top.finish(10));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_TopWords);

void BM_SqrtSum(benchmark::State& state) {
  const auto simd = static_cast<Simd>(state.range(0));
  if (!supported(simd)) return state.SkipWithError("not on this machine");
  constexpr std::uint64_t kCount = 1 << 20;
  for (auto _ : state) benchmark::DoNotOptimize(sqrt_sum({0, kCount}, {}, simd));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kCount));
}
BENCHMARK(BM_SqrtSum)->ArgName("simd")->DenseRange(0, 2);

}  // namespace
}  // namespace millrace::compute

BENCHMARK_MAIN();
