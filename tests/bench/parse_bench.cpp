// What parsing a stream costs, in pieces of 16 KiB as they come from a socket. Yardstick: 200 MB/s
// of each on one core.
#include "parse/csv.hpp"
#include "parse/json_select.hpp"
#include "parse/lines.hpp"
#include "parse/ndjson.hpp"
#include "parse/sse.hpp"

#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

namespace millrace::parse {
namespace {

constexpr std::size_t kTextBytes = std::size_t{4} * 1024 * 1024;
constexpr std::size_t kPieceBytes = std::size_t{16} * 1024;

/// Of an API: short members, a nested object, a list, some text.
constexpr std::string_view kItem =
    R"({"id":48213377,"name":"Ada Lovelace","email":"ada.lovelace@example.com","active":true,)"
    R"("score":97.25,)"
    R"("tags":["analyst","founder","eu-west-1"],"address":{"street":"12 St James's Square","city":)"
    R"("London",)"
    R"("zip":null,"lat":51.507351,"lon":-0.127758},"created_at":"2024-03-18T09:41:27.113Z",)"
    R"("bio":"First of her kind: wrote the notes on the engine, \"Note G\" among them."})";

constexpr std::string_view kPrettyItem = R"(    {
      "id": 48213377,
      "name": "Ada Lovelace",
      "active": true,
      "tags": [
        "analyst",
        "founder"
      ],
      "score": 97.25
    })";

constexpr std::string_view kForeignItem =
    "{\"id\":7,\"title\":\"Война и мир\",\"text\":\"Ну, здравствуйте, здравствуйте. Je vois que je "
    "vous fais "
    "peur, садитесь и рассказывайте. 戦争と平和、それは長い小説である。\"}";

std::string repeat(std::string_view begin, std::string_view unit, std::string_view between,
                   std::string_view end) {
  std::string text(begin);
  while (text.size() < kTextBytes) text.append(unit).append(between);
  text.resize(text.size() - between.size());
  return text.append(end);
}

template <class Take>
void in_pieces(std::string_view text, Take take) {
  for (std::size_t at = 0; at < text.size(); at += kPieceBytes) take(text.substr(at, kPieceBytes));
}

void count_bytes(benchmark::State& state, std::string_view text) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

class Counter final : public JsonSelectSink {
 public:
  void value_piece(std::string_view text) override { bytes += text.size(); }
  void value_end() override { ++values; }
  std::size_t bytes = 0;
  std::size_t values = 0;
};

void select(benchmark::State& state, std::string_view path, std::string_view unit) {
  const std::string text = repeat("{\"items\":[\n", unit, ",\n", "\n]}");
  const JsonPath parsed = JsonPath::parse(path).value();
  for (auto _ : state) {
    Counter sink;
    JsonSelect selection(parsed, sink);
    bool good = true;
    in_pieces(text, [&](std::string_view piece) { good = good && selection.feed(piece); });
    if (!good || !selection.finish()) state.SkipWithError("a fault");
    benchmark::DoNotOptimize(sink.bytes);
  }
  count_bytes(state, text);
}

/// What is common to those that are pulled.
template <class Splitter>
void pull(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    Splitter splitter;
    std::size_t items = 0;
    in_pieces(text, [&](std::string_view piece) {
      splitter.feed(piece);
      for (auto next = splitter.next(); next && *next; next = splitter.next()) ++items;
    });
    if (items == 0) state.SkipWithError("nothing came out");
    benchmark::DoNotOptimize(items);
  }
  count_bytes(state, text);
}

void lines(benchmark::State& state) {
  pull<LineSplitter>(
      state, repeat("", "127.0.0.1 - - [18/Mar/2024:09:41:27 +0000] \"GET / HTTP/1.1\" 200 612",
                    "\n", "\n"));
}
void ndjson(benchmark::State& state) {
  pull<NdjsonSplitter>(state, repeat("", kItem, "\n", "\n"));
}
void sse(benchmark::State& state) {
  pull<SseParser>(
      state,
      repeat("",
             "data: {\"id\":\"chatcmpl-123\",\"object\":\"chat.completion.chunk\",\"choices\":"
             "[{\"index\":0,\"delta\":{\"content\":\" mill\"}}]}",
             "\n\n", "\n\n"));
}
void csv(benchmark::State& state) {
  pull<CsvSplitter>(
      state, repeat("",
                    "48213377,Ada Lovelace,ada.lovelace@example.com,\"London, \"\"W1\"\"\",97.25,"
                    "2024-03-18T09:41:27.113Z,,true",
                    "\r\n", "\r\n"));
}

BENCHMARK_CAPTURE(select, ids, "$.items[*].id", kItem);
BENCHMARK_CAPTURE(select, items, "$.items[*]", kItem);
BENCHMARK_CAPTURE(select, whole, "", kItem);
BENCHMARK_CAPTURE(select, nothing, "/other", kItem);
BENCHMARK_CAPTURE(select, ids_of_indented, "$.items[*].id", kPrettyItem);
BENCHMARK_CAPTURE(select, ids_beside_foreign_text, "$.items[*].id", kForeignItem);
BENCHMARK(lines);
BENCHMARK(ndjson);
BENCHMARK(sse);
BENCHMARK(csv);

}  // namespace
}  // namespace millrace::parse

BENCHMARK_MAIN();
