// `?url=` by the client of this thread: InputFetcher over FetchedInput.
//
// Thread rule: one io thread.
#pragma once

#include "client/url_fetcher.hpp"
#include "millrace/input.hpp"

namespace millrace::endpoints {

class UrlInputs final : public InputFetcher {
 public:
  /// `fetcher` must outlive it.
  explicit UrlInputs(client::UrlFetcher& fetcher) noexcept : fetcher_(fetcher) {}

  [[nodiscard]] Task<Result<std::unique_ptr<InputStream>>> open(Exchange& exchange,
                                                                std::string_view url,
                                                                std::uint64_t bytes_max) override;

 private:
  client::UrlFetcher& fetcher_;
};

}  // namespace millrace::endpoints
