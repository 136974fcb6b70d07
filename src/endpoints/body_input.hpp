// What an endpoint works on: the request's body, or what `?url=` points at.
//
// Reads give the other connections of the thread their turn from time to time, however fast the
// bytes come. Ownership: refers to the exchange; close() must be awaited before it dies.
// Thread rule: the exchange's io thread.
#pragma once

#include "endpoints/parameters.hpp"
#include "millrace/input.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::endpoints {

struct InputLimit {
  std::uint64_t bytes_max;
  std::string_view key;  ///< of the configuration, named in the 413
};

class BodyInput {
 public:
  BodyInput(Exchange& exchange, InputFetcher* fetcher, InputLimit limit) noexcept
      : exchange_(exchange), fetcher_(fetcher), limit_(limit) {}
  BodyInput(const BodyInput&) = delete;
  BodyInput& operator=(const BodyInput&) = delete;

  /// Errors: kEmptyBody when there is neither a body nor a URL, kBadParameter when there are both,
  /// kBodyTooLarge, those of the fetcher.
  [[nodiscard]] Task<Result<void>> open(const Parameters& parameters);
  /// kKnown or kUnknown. After open().
  [[nodiscard]] http::BodyLength length() const noexcept;
  /// The next piece; empty at the end. Valid until the next call. Errors: kBodyTooLarge, those of
  /// read_body() or of the upstream.
  [[nodiscard]] Task<Result<Bytes>> read();
  [[nodiscard]] Task<void> close();

 private:
  [[nodiscard]] Task<Result<void>> open_url(const Parameters& parameters);
  [[nodiscard]] Error explained(Error error);

  Exchange& exchange_;
  InputFetcher* const fetcher_;
  const InputLimit limit_;
  std::unique_ptr<InputStream> fetched_;
  std::uint64_t since_yield_ = 0;
};

}  // namespace millrace::endpoints
