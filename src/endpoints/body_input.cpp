#include "endpoints/body_input.hpp"

#include "endpoints/turns.hpp"
#include "runtime/ready_queue.hpp"

namespace millrace::endpoints {

Task<Result<void>> BodyInput::open(const Parameters& parameters) {
  if (parameters.has("url")) co_return co_await open_url(parameters);
  if (exchange_.request.body.is_none()) {
    exchange_.detail =
        "Send the input as the body (curl --data-binary @FILE), or name it with ?url=.";
    co_return fail(Errc::kEmptyBody);
  }
  co_return exchange_.limit_body(limit_.bytes_max, limit_.key);
}

Task<Result<void>> BodyInput::open_url(const Parameters& parameters) {
  const Result<std::string_view> url = parameters.text("url");
  if (!url) co_return fail(url.error());
  const http::BodyLength body = exchange_.request.body;
  if (!body.is_none() && !(body.is_known() && body.bytes == 0)) {
    exchange_.detail = "Send a body or url=, not both.";
    co_return fail(Errc::kBadParameter);
  }
  if (fetcher_ == nullptr) {
    exchange_.detail = "Fetching inputs by URL is switched off here.";
    co_return fail(Errc::kUrlRefused);
  }
  auto opened = co_await fetcher_->open(exchange_, *url, limit_.bytes_max);
  if (!opened) co_return fail(explained(opened.error()));
  fetched_ = std::move(*opened);
  co_return Result<void>{};
}

http::BodyLength BodyInput::length() const noexcept {
  return fetched_ != nullptr ? fetched_->length() : exchange_.request.body;
}

Task<Result<Bytes>> BodyInput::read() {
  Result<Bytes> piece;
  if (fetched_ != nullptr)
    piece = co_await fetched_->read();
  else
    piece = co_await exchange_.read_body();
  if (!piece) co_return fail(explained(piece.error()));
  since_yield_ += piece->size();
  if (since_yield_ >= kBytesPerTurn) {
    since_yield_ = 0;
    co_await yield_now();
  }
  co_return piece;
}

Task<void> BodyInput::close() {
  if (fetched_ != nullptr) co_await fetched_->close();
}

Error BodyInput::explained(Error error) {
  if (!error.is(Errc::kUpstreamTooLarge)) return error;
  exchange_.detail = "What lies at the URL is larger than " + std::to_string(limit_.bytes_max) +
                     " bytes; raise " + std::string(limit_.key) + " to allow it.";
  return Errc::kBodyTooLarge;
}

}  // namespace millrace::endpoints
