// `health`: 200 while the process serves. For load balancers that look at the public listener; the
// admin address has /livez and /readyz.

#include "endpoints/answer.hpp"
#include "endpoints/endpoint.hpp"

#include <array>

namespace millrace::endpoints {
namespace {

using http::Method;

class HealthEndpoint final : public Handler {
 public:
  Task<Result<void>> handle(Exchange& exchange) override {
    return dispatch(*this, kOperations, exchange);
  }

 private:
  Task<Result<void>> answer(Exchange& exchange) {
    respond_text(exchange, kPlainText, "ok\n");
    co_return Result<void>{};
  }

  static constexpr std::array<Operation<HealthEndpoint>, 2> kOperations{{
      {"", {Method::kGet}, &HealthEndpoint::answer},
      {"/", {Method::kGet}, &HealthEndpoint::answer},
  }};
};

}  // namespace

std::unique_ptr<Handler> make_health(const EndpointContext&) {
  return std::make_unique<HealthEndpoint>();
}

}  // namespace millrace::endpoints
