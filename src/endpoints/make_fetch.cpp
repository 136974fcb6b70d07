#include "endpoints/endpoint.hpp"
#include "endpoints/fetch.hpp"

namespace millrace::endpoints {

std::unique_ptr<Handler> make_fetch(const EndpointContext& context) {
  if (context.fetcher == nullptr) return nullptr;
  return std::make_unique<FetchEndpoint>(*context.fetcher);
}

}  // namespace millrace::endpoints
