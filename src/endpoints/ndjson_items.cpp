#include "endpoints/ndjson_items.hpp"

#include "endpoints/batch_request.hpp"
#include "http/ascii.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <utility>

namespace millrace::endpoints {
namespace {

/// A full CPU pool refuses new work; a batch under way waits instead.
constexpr auto kFullPause = std::chrono::milliseconds(10);

}  // namespace

ItemPtr NdjsonItems::refused(Errc errc, std::string detail) {
  auto item = std::make_unique<BatchItem>();
  item->index = count_++;
  item->fault = errc;
  item->fault_detail = std::move(detail);
  return item;
}

// True: line_ is whole.
bool NdjsonItems::take_line() {
  const std::size_t end = std::min(piece_.find('\n'), piece_.size());
  const bool whole = end < piece_.size();
  too_long_ |= line_.size() + end > limits_.body_bytes_max;
  if (!too_long_) line_.append(piece_.substr(0, end));
  piece_.remove_prefix(whole ? end + 1 : end);
  return whole;
}

Task<Result<bool>> NdjsonItems::read_line() {
  line_.clear();
  too_long_ = false;
  while (!ended_) {
    if (piece_.empty()) {
      const Result<Bytes> piece = co_await exchange_.read_body();
      if (!piece) co_return fail(piece.error());
      piece_ = {piece->data(), piece->size()};
      ended_ = piece_.empty();
      if (ended_) break;
    }
    if (!take_line()) continue;
    if (too_long_ || line_.find_first_not_of(" \t\r") != std::string::npos) co_return true;
    line_.clear();
  }
  co_return too_long_ || line_.find_first_not_of(" \t\r") != std::string::npos;
}

Task<Result<ItemPtr>> NdjsonItems::next() {
  const Result<bool> more = co_await read_line();
  if (!more) co_return fail(more.error());
  if (!*more) co_return ItemPtr();
  if (count_ == limits_.items_max) {
    ended_ = true;
    co_return refused(Errc::kBodyTooLarge,
                      "This batch has more than " + std::to_string(count_) +
                          " items; raise fetch.batch.items_max to allow them.");
  }
  if (too_long_)
    co_return refused(Errc::kBodyTooLarge, "The line is longer than " +
                                               std::to_string(limits_.body_bytes_max) +
                                               " bytes; raise fetch.batch.body_max to allow it.");
  co_return co_await parse();
}

Task<Result<ItemPtr>> NdjsonItems::parse() {
  auto share = std::make_unique<HeldBytes::Share>(held_);
  const Result<void> room = co_await share->grow(line_.size(), HeldBytes::Overrun::kNo);
  if (!room) co_return fail(room.error());
  Parsed parsed;
  if (line_.size() <= kParseInlineBytesMax) {
    parsed = parse_batch_item(line_, limits_);
  } else if (const auto done = co_await parse_on_pool(parsed); !done) {
    co_return fail(done.error());
  }
  if (!parsed) co_return refused(parsed.error().errc, std::move(parsed.error().detail));
  ItemPtr item = std::move(*parsed);
  item->index = count_++;
  item->arrived = Clock::now();
  item->held = std::move(share);
  co_return item;
}

Task<Result<void>> NdjsonItems::parse_on_pool(Parsed& parsed) {
  for (;;) {
    auto done = co_await offload_.run(
        line_.size(), [this](const CancelToken&) { return parse_batch_item(line_, limits_); });
    if (done) {
      parsed = std::move(*done);
      co_return Result<void>{};
    }
    if (!done.error().is(Errc::kOffloadFull)) co_return fail(done.error());
    if (const auto slept = co_await sleep_for(kFullPause); !slept) co_return slept;
  }
}

}  // namespace millrace::endpoints
