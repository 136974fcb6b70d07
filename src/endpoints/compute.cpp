// `compute`: work on texts and numbers, on the CPU pool.
//
//   /wordcount[?top=K]    what wc counts; the K most frequent words
//   /sqrt-sum?n=[&tasks=] the CPU-bound yardstick

#include "compute/sqrt_sum.hpp"
#include "compute/top_words.hpp"
#include "compute/wordcount.hpp"
#include "endpoints/answer.hpp"
#include "endpoints/chunk_feed.hpp"
#include "endpoints/endpoint.hpp"
#include "endpoints/parameters.hpp"
#include "http/problem.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <random>

namespace millrace::endpoints {
namespace {

using http::FieldId;
using http::Method;

/// Ten seconds of one core.
constexpr std::uint64_t kSqrtSumNMax = 10'000'000'000;
static_assert(kSqrtSumNMax <= compute::kSqrtSumMax);
/// More tasks than this only wait for each other.
constexpr std::uint64_t kSqrtSumTasksMax = 256;
constexpr std::uint64_t kTopMax = 1000;

/// Counts, and the words themselves where they are asked for.
class TextCounter {
 public:
  explicit TextCounter(std::uint64_t top) : top_(top) {
    if (top == 0) return;
    std::random_device random;
    const auto word = [&random] { return std::uint64_t{random()} << 32 | random(); };
    words_.emplace(compute::TopWords::Seed{word(), word()});
  }

  Result<void> update(std::span<const std::byte> bytes) {
    if (words_) return words_->update(bytes);
    counter_.update(bytes);
    return {};
  }

  Result<compute::TopWords::Summary> finish() {
    if (words_) return words_->finish(static_cast<std::size_t>(top_));
    return compute::TopWords::Summary{.counts = counter_.finish(), .top = {}};
  }

 private:
  const std::uint64_t top_;
  compute::WordCounter counter_;
  std::optional<compute::TopWords> words_;
};

void append_number(std::string& out, std::string_view name, std::uint64_t value) {
  out.append(out.back() == '{' ? "\"" : ",\"").append(name).append("\":");
  out += std::to_string(value);
}

std::string wordcount_json(const compute::TopWords::Summary& summary, bool with_top) {
  std::string out = "{";
  append_number(out, "bytes", summary.counts.bytes);
  append_number(out, "lines", summary.counts.lines);
  append_number(out, "words", summary.counts.words);
  append_number(out, "chars", summary.counts.chars);
  if (with_top) {
    out += ",\"top\":[";
    for (const compute::WordFrequency& w : summary.top) {
      out += out.back() == '[' ? "{\"word\":" : ",{\"word\":";
      http::append_json_string(out, w.word);
      append_number(out, "count", w.count);
      out += '}';
    }
    out += ']';
  }
  return out += "}\n";
}

/// What the tasks of one sqrt-sum have in common.
struct SharedSum {
  Offload& offload;
  compute::SqrtSum sum;
  WorkTimes times;
  Result<void> outcome;
};

Task<void> add_part(SharedSum& shared, compute::IndexRange range) {
  const Result<compute::SqrtSum> part = co_await run_timed(
      shared.offload, 0,
      [range](const CancelToken& stop) { return compute::sqrt_sum(range, stop); }, shared.times);
  if (part)
    shared.sum.add(*part);
  else if (shared.outcome)
    shared.outcome = fail(part.error());
}

Task<void> add_all(SharedSum& shared, std::uint64_t n, std::uint64_t tasks) {
  TaskGroup group;
  for (std::uint64_t i = 0; i < tasks; ++i)
    group.spawn(add_part(shared, compute::sqrt_sum_part(n, tasks, i)));
  while (group.size() > 0) {
    co_await group.next();
    // One that failed has spoiled the sum.
    if (!shared.outcome) group.cancel(shared.outcome.error().errc);
  }
  co_await group.join();
}

class ComputeEndpoint final : public Handler {
 public:
  explicit ComputeEndpoint(const EndpointContext& context) : context_(context) {}

  Task<Result<void>> handle(Exchange& exchange) override {
    return dispatch(*this, kOperations, exchange);
  }

 private:
  Task<Result<void>> wordcount(Exchange& exchange);
  Task<Result<void>> count(Exchange& exchange, BodyInput& input, std::uint64_t top);
  Task<Result<void>> sqrt_sum(Exchange& exchange);

  static constexpr std::array<Operation<ComputeEndpoint>, 2> kOperations{{
      {"/wordcount", {Method::kPost, Method::kPut, Method::kGet}, &ComputeEndpoint::wordcount},
      {"/sqrt-sum", {Method::kGet}, &ComputeEndpoint::sqrt_sum},
  }};

  const EndpointContext context_;
};

void answer_json(Exchange& exchange, const WorkTimes& times, const std::string& body) {
  const std::string timing = times.server_timing(exchange.began());
  http::ResponseHead head;
  head.fields.add(FieldId::kContentType, kJson);
  head.fields.add(FieldId::kServerTiming, timing);
  exchange.respond(head, body);
}

Task<Result<void>> ComputeEndpoint::wordcount(Exchange& exchange) {
  const auto parameters = Parameters::parse(exchange);
  if (!parameters) co_return fail(parameters.error());
  const auto top = parameters->number_or("top", 0, 0, kTopMax);
  if (!top) co_return fail(top.error());
  BodyInput input(exchange, context_.inputs, {context_.compute_body_bytes_max, "compute.body_max"});
  Result<void> outcome = co_await input.open(*parameters);
  if (outcome) outcome = co_await count(exchange, input, *top);
  co_await input.close();
  co_return outcome;
}

Task<Result<void>> ComputeEndpoint::count(Exchange& exchange, BodyInput& input, std::uint64_t top) {
  WorkTimes times;
  TextCounter counter(top);
  ChunkFeed feed(
      context_.offload,
      [&counter](std::span<const std::byte> bytes) { return counter.update(bytes); }, times);
  if (const auto fed = co_await feed.run(input); !fed) {
    if (fed.error().is(Errc::kMediaTooLarge))
      exchange.detail = "The text has too many distinct words to rank them; leave top out.";
    co_return fed;
  }
  // Ranking a million words takes a while.
  auto summary = co_await run_timed(
      context_.offload, 0, [&counter](const CancelToken&) { return counter.finish(); }, times);
  if (!summary) co_return fail(summary.error());
  const std::string body = wordcount_json(*summary, top > 0);
  if (body.size() <= Exchange::kRespondBytesMax) {
    answer_json(exchange, times, body);
    co_return Result<void>{};
  }
  http::ResponseHead head;
  head.fields.add(FieldId::kContentType, kJson);
  co_return co_await exchange.send(head, body);
}

Task<Result<void>> ComputeEndpoint::sqrt_sum(Exchange& exchange) {
  const auto parameters = Parameters::parse(exchange);
  if (!parameters) co_return fail(parameters.error());
  const auto n = parameters->number("n", 0, kSqrtSumNMax);
  if (!n) co_return fail(n.error());
  const auto tasks =
      parameters->number_or("tasks", context_.offload.threads(), 1, kSqrtSumTasksMax);
  if (!tasks) co_return fail(tasks.error());

  SharedSum shared{.offload = context_.offload, .sum = {}, .times = {}, .outcome = {}};
  co_await add_all(shared, *n, *tasks);
  if (!shared.outcome) co_return shared.outcome;
  std::string body = "{";
  append_number(body, "n", *n);
  append_number(body, "tasks", *tasks);
  std::array<char, 32> number;
  const auto end =
      std::to_chars(number.data(), number.data() + number.size(), shared.sum.value()).ptr;
  body.append(",\"sum\":").append(number.data(), end).append("}\n");
  answer_json(exchange, shared.times, body);
  co_return Result<void>{};
}

}  // namespace

std::unique_ptr<Handler> make_compute(const EndpointContext& context) {
  return std::make_unique<ComputeEndpoint>(context);
}

}  // namespace millrace::endpoints
