#include "endpoints/url_inputs.hpp"

#include "endpoints/endpoint.hpp"
#include "endpoints/fetch.hpp"

namespace millrace::endpoints {
namespace {

class UrlInput final : public InputStream {
 public:
  explicit UrlInput(client::UrlFetcher& fetcher) : input_(fetcher) {}

  [[nodiscard]] FetchedInput& input() noexcept { return input_; }
  http::BodyLength length() const noexcept override { return input_.length(); }
  Task<Result<Bytes>> read() override { return input_.read(); }
  Task<void> close() override { return input_.close(); }

 private:
  FetchedInput input_;
};

}  // namespace

Task<Result<std::unique_ptr<InputStream>>> UrlInputs::open(Exchange& exchange, std::string_view url,
                                                           std::uint64_t bytes_max) {
  auto stream = std::make_unique<UrlInput>(fetcher_);
  const Result<void> opened = co_await stream->input().open(exchange, url, bytes_max);
  if (!opened) {
    co_await stream->close();
    co_return fail(opened.error());
  }
  co_return std::unique_ptr<InputStream>(std::move(stream));
}

}  // namespace millrace::endpoints
