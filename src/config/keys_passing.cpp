#include "config/keys_passing.hpp"

#include <array>
#include <cstdint>

namespace millrace::config {
namespace {

// A wait always ends: 1 ms to a day.
constexpr Rule kWait{.min = 1, .max = std::int64_t{24} * 3'600 * 1'000};

// Without the budget, in both tables.
template <class R>
constexpr auto retry_keys() {
  return std::to_array<Field<R>>({
      key<&R::attempts>("attempts",
                        "How often a request may be sent again: when nothing of it was written, or "
                        "its method is idempotent and its body still held, and no byte of an "
                        "answer came. To another target where there is one.",
                        {.max = 10}),
      key<&R::per_try>("per_try",
                       "From the beginning of one try to the head of its answer; then the next one "
                       "begins, if it may.",
                       kWait),
      key<&R::statuses>("statuses",
                        "Answers to idempotent requests that are retried like failures, such as "
                        "[502, 503, 504]. None: an answer is the service's own.",
                        {.min = 400, .max = 599}),
      key<&R::hedge>("hedge",
                     "Sends safe requests without a body a second time when the answer takes "
                     "longer than 95 % of the latest did; the first answer wins."),
  });
}

}  // namespace

template <>
std::span<const Choice<ClientGone>> choices() {
  static constexpr auto kChoices = std::to_array<Choice<ClientGone>>({
      {ClientGone::kCancel, "cancel"},
      {ClientGone::kFinish, "finish"},
  });
  return kChoices;
}

template <>
std::span<const Field<Retry>> fields() {
  static constexpr auto kShared = retry_keys<Retry>();
  static constexpr auto kFields = std::to_array<Field<Retry>>({
      kShared[0],
      kShared[1],
      kShared[2],
      kShared[3],
      key<&Retry::budget>("budget",
                          "Retries and hedges per request, of the whole upstream in 10 s: what is "
                          "in trouble must not get more requests because of it.",
                          {.max = 10}),
      key<&Retry::budget_min>("budget_min", "So many a second are always allowed.",
                              {.max = 100'000}),
  });
  return kFields;
}

template <>
std::span<const Field<RouteRetry>> fields() {
  static constexpr auto kFields = retry_keys<RouteRetry>();
  return kFields;
}

template <>
std::span<const Field<KeepAlive>> fields() {
  static constexpr auto kFields = std::to_array<Field<KeepAlive>>({
      key<&KeepAlive::idle_max>("idle_max",
                                "Idle connections kept per target and I/O thread; 0 keeps none.",
                                {.max = 65'536}),
      key<&KeepAlive::idle_timeout>("idle_timeout",
                                    "How long one is kept at most; the server's own time, once "
                                    "learned, comes first.",
                                    kWait),
  });
  return kFields;
}

template <>
std::span<const Field<Queue>> fields() {
  static constexpr auto kFields = std::to_array<Field<Queue>>({
      key<&Queue::size>("size", "Requests that wait; over it 503.", {.max = 1'000'000}),
      key<&Queue::timeout>("timeout", "How long one waits; then 503.", kWait),
      key<&Queue::overload_after>("overload_after",
                                  "A queue that has not been empty for so long serves the newest "
                                  "first, and whoever comes waits for overload_timeout at most.",
                                  kWait),
      key<&Queue::overload_timeout>("overload_timeout", "How long one waits then.", kWait),
  });
  return kFields;
}

}  // namespace millrace::config
