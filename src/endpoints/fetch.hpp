// `GET|HEAD|POST /v1/fetch?url=`: the answer of a URL that the client chose, streamed through; and
// the same door for `?url=` inputs of other endpoints.
//
// Out go the client's Accept*, Range, If-*, Content-Type and every `Fetch-Header-NAME` as NAME.
// Back come the end-to-end fields but for those that would act upon our own origin (Set-Cookie,
// Strict-Transport-Security...); `Content-Security-Policy: sandbox` and nosniff make sure that
// nothing fetched runs in it. Failures tell their code and nothing more.
//
// Thread rule: one io thread.
#pragma once

#include "client/resuming_body.hpp"
#include "client/url_fetcher.hpp"
#include "millrace/exchange.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::endpoints {

class FetchEndpoint final : public Handler {
 public:
  /// `fetcher` must outlive it.
  explicit FetchEndpoint(client::UrlFetcher& fetcher) noexcept : fetcher_(fetcher) {}

  [[nodiscard]] Task<Result<void>> handle(Exchange& exchange) override;

 private:
  Task<Result<void>> fetch(Exchange& exchange);

  client::UrlFetcher& fetcher_;
};

/// An input that is fetched instead of sent: content codings undone, the limits of [fetch] applied.
/// Ownership: close() must be awaited before it dies, once open() was.
class FetchedInput {
 public:
  explicit FetchedInput(client::UrlFetcher& fetcher)
      : fetcher_(fetcher), limit_(Errc::kTotalTimeout, fetcher.options().total) {}

  /// Fetches the head of `url`. Any status but 200 is kUpstreamBadMessage, with its number in
  /// `exchange.detail`; more than `bytes_max` bytes are kUpstreamTooLarge, here or in read(). Other
  /// errors: kBadParameter, kUrlRefused, those of the client.
  [[nodiscard]] Task<Result<void>> open(Exchange& exchange, std::string_view url,
                                        std::uint64_t bytes_max);
  /// kKnown or kUnknown. After open().
  [[nodiscard]] http::BodyLength length() const noexcept { return length_; }
  /// Empty where the origin did not say.
  [[nodiscard]] std::string_view content_type() const noexcept { return content_type_; }
  /// The next piece; empty at the end. Valid until the next call.
  [[nodiscard]] Task<Result<Bytes>> read();
  [[nodiscard]] Task<void> close();

 private:
  Task<Result<void>> fetch(Exchange& exchange);

  client::UrlFetcher& fetcher_;
  DeadlineScope limit_;
  http::Url url_;
  client::Request request_;
  http::BodyLength length_ = http::BodyLength::unknown();
  std::string content_type_;
  std::optional<client::ResumingBody> body_;
};

}  // namespace millrace::endpoints
