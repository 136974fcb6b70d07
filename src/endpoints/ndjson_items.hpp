// The items of an NDJSON batch, parsed line by line as the body comes.
//
// A line that is wrong is an item that fails (BatchItem::fault); empty lines are passed over. A
// line holds memory of the batch from when it is whole until its item is done.
//
// Ownership: refers to the exchange and the batch's memory. Thread rule: the exchange's io thread.
#pragma once

#include "endpoints/batch_request.hpp"
#include "endpoints/batch_run.hpp"
#include "millrace/exchange.hpp"
#include "runtime/offload.hpp"

#include <expected>
#include <string>
#include <string_view>

namespace millrace::endpoints {

/// Texts over this are parsed by the CPU pool.
inline constexpr std::size_t kParseInlineBytesMax = 16 * 1024;

class NdjsonItems final : public BatchSource {
 public:
  NdjsonItems(Exchange& exchange, const BatchLimits& limits, HeldBytes& held, Offload& offload)
      : exchange_(exchange), limits_(limits), held_(held), offload_(offload) {}

  /// Errors: those of read_body().
  [[nodiscard]] Task<Result<ItemPtr>> next() override;

 private:
  /// The next line that is not empty into line_; false: there is none.
  Task<Result<bool>> read_line();
  [[nodiscard]] bool take_line();
  using Parsed = std::expected<ItemPtr, BatchFault>;
  Task<Result<ItemPtr>> parse();
  Task<Result<void>> parse_on_pool(Parsed& parsed);
  [[nodiscard]] ItemPtr refused(Errc errc, std::string detail);

  Exchange& exchange_;
  const BatchLimits& limits_;
  HeldBytes& held_;
  Offload& offload_;
  std::string_view piece_;  // of the body, what is not read yet
  std::string line_;
  std::uint64_t count_ = 0;
  bool too_long_ = false;  // line_ was cut
  bool ended_ = false;
};

}  // namespace millrace::endpoints
