// One result of a batch as a line of NDJSON, written piece by piece: bodies are escaped straight
// from where they lie, and given back as they go.
//
//   {"index":0,"url":...,"status":200,"headers":[[name,value]...],"body":...,"timing_us":{...},
//    "connection":{"reused":false,"protocol":"http/1.1"},"attempts":1}
//   {"index":1,"error":{...problem...},"timing_us":{"total":...}}
//   {"summary":{...}}
//
// Thread rule: one io thread.
#pragma once

#include "endpoints/batch_item.hpp"
#include "millrace/exchange.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace millrace::endpoints {

/// Takes the text of lines. An error ends the writing.
class LineSink {
 public:
  [[nodiscard]] virtual Task<Result<void>> write(Bytes bytes) = 0;

 protected:
  ~LineSink() = default;
};

/// Who reads the lines: a stranger learns of failures the code and the total time only.
enum class LineReader : std::uint8_t { kStranger, kOperator };

/// Writes the line of `result`, whose body is gone afterwards.
[[nodiscard]] Task<Result<void>> write_batch_line(BatchResult& result, LineReader reader,
                                                  LineSink& sink);

/// What a whole batch came to.
struct BatchSummary {
  std::uint64_t count = 0;
  std::uint64_t succeeded = 0;  ///< answered with a status below 400
  std::uint64_t failed = 0;     ///< the others; errors among them
  std::uint64_t errors = 0;     ///< no answer
  std::uint64_t bytes = 0;      ///< of bodies, codings undone
  std::uint64_t attempts = 0;   ///< requests that were sent

  void add(const BatchResult& result) noexcept;
};

[[nodiscard]] std::string summary_line(const BatchSummary& summary, Duration wall);

/// "timing_us": each phase in whole microseconds; they sum to the total exactly.
void append_timings(std::string& out, const Timings& timings);

/// `text` as a JSON string's inside: valid UTF-8, or a part of it.
void append_escaped(std::string& out, std::string_view text);

}  // namespace millrace::endpoints
