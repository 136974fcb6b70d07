// `fetch`: one URL, and below it batches of them.

#include "endpoints/batch.hpp"
#include "endpoints/endpoint.hpp"
#include "endpoints/fetch.hpp"

namespace millrace::endpoints {
namespace {

class FetchDoors final : public Handler {
 public:
  FetchDoors(client::UrlFetcher& fetcher, Offload& offload, const BatchLimits& limits) noexcept
      : one_(fetcher), batch_(fetcher, offload, limits) {}

  Task<Result<void>> handle(Exchange& exchange) override {
    return exchange.route_path == "/batch" ? batch_.handle(exchange) : one_.handle(exchange);
  }

 private:
  FetchEndpoint one_;
  BatchEndpoint batch_;
};

}  // namespace

std::unique_ptr<Handler> make_fetch(const EndpointContext& context) {
  if (context.fetcher == nullptr) return nullptr;
  return std::make_unique<FetchDoors>(*context.fetcher, context.offload, context.batch);
}

}  // namespace millrace::endpoints
