// `POST /v1/fetch/batch`: many URLs at once, an NDJSON line for each as it is done.
//
// Takes JSON (read whole) or NDJSON (fetched while it comes), see batch_request.hpp; the lines are
// those of batch_line.hpp, the last one a summary. An item that fails is a line with an error and
// never fails the batch. Only a client that goes away, a body that breaks off, or one that is no
// batch at all ends it early: what runs is cancelled then.
//
// Memory: what is held is bounded (batch_limits.hpp, held_bytes.hpp); a client that does not read
// stops the fetching. Thread rule: one io thread.
#pragma once

#include "client/url_fetcher.hpp"
#include "endpoints/batch_limits.hpp"
#include "endpoints/batch_run.hpp"
#include "millrace/exchange.hpp"
#include "runtime/offload.hpp"

#include <string>

namespace millrace::endpoints {

class BatchEndpoint final : public Handler {
 public:
  /// `fetcher` and `offload` must outlive it.
  BatchEndpoint(client::UrlFetcher& fetcher, Offload& offload, const BatchLimits& limits) noexcept
      : fetcher_(fetcher), offload_(offload), limits_(limits) {}

  [[nodiscard]] Task<Result<void>> handle(Exchange& exchange) override;

 private:
  Task<Result<void>> whole(Exchange& exchange, unsigned parallel);
  Task<Result<void>> streamed(Exchange& exchange, unsigned parallel);
  Task<Result<std::string>> read_whole(Exchange& exchange);
  Task<Result<void>> run(Exchange& exchange, BatchSource& source, HeldBytes& held,
                         unsigned parallel);

  client::UrlFetcher& fetcher_;
  Offload& offload_;
  const BatchLimits limits_;
};

}  // namespace millrace::endpoints
