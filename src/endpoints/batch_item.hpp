// One item of a batch: what is wanted, and what became of it.
//
// Ownership: both own everything. Thread rule: one io thread.
#pragma once

#include "base/error.hpp"
#include "endpoints/batch_limits.hpp"
#include "endpoints/block_list.hpp"
#include "endpoints/held_bytes.hpp"
#include "http/fields.hpp"
#include "http/head.hpp"
#include "http/method.hpp"
#include "millrace/timings.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::client {
class Response;
class UrlFetcher;
}  // namespace millrace::client

namespace millrace::endpoints {

struct BatchItem {
  std::uint64_t index = 0;
  std::string url;
  http::Method method = http::Method::kGet;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> body;
  std::optional<std::chrono::milliseconds> timeout;
  std::string select;  ///< JSON Pointer or path; empty: none
  bool has_select = false;
  bool decode = true;  ///< ask for content codings, and undo them
  /// When it began to wait for its turn.
  TimePoint arrived = Clock::now();
  /// Why it is not even tried; kCount_: it is.
  Errc fault = Errc::kCount_;
  std::string fault_detail;
  /// What the request holds of the batch's memory.
  std::unique_ptr<HeldBytes::Share> held;
};

struct BatchResult {
  enum class Body : std::uint8_t { kText, kBinary, kSelected, kElsewhere };

  explicit BatchResult(HeldBytes& all) noexcept : held(all) {}

  std::uint64_t index = 0;
  /// Where the answer came from; after an error, what was asked for.
  std::string url;

  /// kCount_: there is an answer.
  Errc errc = Errc::kCount_;
  std::string detail;  ///< one sentence more; may be empty
  std::string cause;   ///< why TLS failed: for the operator only

  int status = 0;
  http::Fields fields;
  Body body_kind = Body::kText;
  BlockList body;
  std::uint64_t matched = 0;   ///< kSelected: values
  std::string file;            ///< kElsewhere: where the body is; empty: it was not wanted
  std::uint64_t received = 0;  ///< bytes of the body, codings undone

  Timings timings;
  unsigned attempts = 0;
  bool reused = false;
  std::string_view dns_source;  ///< where the dialled address came from: "dns", "cache"...
  http::Version protocol = http::Version::kHttp11;

  HeldBytes::Share held;

  /// Answered, and not with an error.
  [[nodiscard]] bool succeeded() const noexcept { return errc == Errc::kCount_ && status < 400; }
};

/// Where a body goes when it is not kept in memory.
class BodyTaker {
 public:
  virtual ~BodyTaker() = default;
  /// Before the first piece; also where there is no body.
  [[nodiscard]] virtual Result<void> begin(const client::Response& response) = 0;
  /// Time in here is not the origin's: the item's limit stands still.
  [[nodiscard]] virtual Task<Result<void>> take(std::string_view piece) = 0;
  /// The clean end.
  [[nodiscard]] virtual Task<Result<void>> finish() = 0;
};

struct ItemContext {
  client::UrlFetcher& fetcher;
  const BatchLimits& limits;
};

/// Fetches `item` into `result`, which must be new. Expected failures are in `result`, also those
/// of the scope. `taker` (nullptr: the body is kept in the result) must live until it returns.
///
/// The item's limit of time begins here and is never longer than [fetch] total; what it has waited
/// since `item.arrived` is Phase::kQueue. Redirects are followed, content codings undone, except
/// with a Range.
[[nodiscard]] Task<void> fetch_item(ItemContext context, const BatchItem& item, BatchResult& result,
                                    BodyTaker* taker = nullptr);

}  // namespace millrace::endpoints
