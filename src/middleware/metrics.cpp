// Counts exchanges, their bytes and how long they took.

#include "base/metrics.hpp"

#include "middleware/table.hpp"

#include <chrono>

namespace millrace::middleware {
namespace {

using metrics::Metric;

static_assert(static_cast<int>(http::Version::kHttp10) == 0 &&
                  static_cast<int>(http::Version::kHttp2) == 2,
              "metrics::kProtocols follows http::Version");

class Metrics final : public Middleware {
 public:
  void finished(Exchange& exchange) override {
    const auto code = static_cast<std::size_t>(metrics::code_class(exchange.status()));
    const auto protocol = static_cast<std::size_t>(exchange.request.version);
    metrics::add(Metric::kRequests, 1, metrics::series(Metric::kRequests, code, protocol));
    const auto took = std::chrono::steady_clock::now() - exchange.began();
    metrics::observe(Metric::kRequestDuration,
                     static_cast<std::uint64_t>(
                         std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
    metrics::add(Metric::kRequestBytes, exchange.received_bytes());
    metrics::add(Metric::kResponseBytes, exchange.sent_bytes());
    if (exchange.started() && !exchange.finished()) metrics::add(Metric::kRequestsAborted);
  }
};

}  // namespace

std::unique_ptr<Middleware> make_metrics(const Context&) {
  return std::make_unique<Metrics>();
}

}  // namespace millrace::middleware
