// One line per exchange, also for those that were refused or given up.

#include "middleware/table.hpp"

#include <chrono>

namespace millrace::middleware {
namespace {

using http::FieldId;

std::string_view protocol(http::Version version) noexcept {
  switch (version) {
    case http::Version::kHttp10:
      return "HTTP/1.0";
    case http::Version::kHttp11:
      return "HTTP/1.1";
    case http::Version::kHttp2:
      return "HTTP/2.0";
  }
  return {};
}

std::uint64_t whole_us(Duration d) noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(d).count());
}

class AccessLog final : public Middleware {
 public:
  explicit AccessLog(log::Logger& log) noexcept : log_(log) {}

  void finished(Exchange& exchange) override {
    const http::RequestHead& request = exchange.request;
    log::AccessRecord record;
    // A few milliseconds old at most, for a quarter of the price.
    ::clock_gettime(CLOCK_REALTIME_COARSE, &record.time);
    const auto took = std::chrono::steady_clock::now() - exchange.began();
    record.duration_us = whole_us(took);
    record.method = request.method_text;
    record.path = request.method == http::Method::kConnect ? request.authority : request.path;
    record.query = request.query;
    record.has_query = request.has_query;
    record.protocol = protocol(request.version);
    record.status = exchange.status();
    record.bytes_in = exchange.received_bytes();
    record.bytes_out = exchange.sent_bytes();
    record.client = exchange.peer.address;
    record.request_id = exchange.request_id;
    record.route = exchange.route_name;
    record.user_agent = request.fields.value_or(FieldId::kUserAgent, {});
    record.referer = request.fields.value_or(FieldId::kReferer, {});
    if (exchange.cause != Errc::kCount_) record.cause = info(exchange.cause).code;
    record.upstream = exchange.upstream.upstream;
    record.upstream_target = exchange.upstream.target;
    record.upstream_status = exchange.upstream.status;
    record.attempts = exchange.upstream.attempts;
    record.reused = exchange.upstream.reused;
    for (std::size_t i = 0; i < kPhaseNames.size(); ++i)
      record.phases[i] = {kPhaseNames[i],
                          whole_us(exchange.upstream.timings.of(static_cast<Phase>(i)))};
    record.wasted_us = whole_us(exchange.upstream.wasted);
    log_.access(record);
  }

 private:
  log::Logger& log_;
};

}  // namespace

std::unique_ptr<Middleware> make_access_log(const Context& context) {
  if (context.log == nullptr) return nullptr;
  return std::make_unique<AccessLog>(*context.log);
}

}  // namespace millrace::middleware
