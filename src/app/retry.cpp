#include "app/retry.hpp"

namespace millrace::app {
namespace {

bool is_passing(Errc errc) noexcept {
  switch (errc) {
    case Errc::kDnsFailed:
    case Errc::kDnsTimeout:
    case Errc::kConnectRefused:
    case Errc::kConnectFailed:
    case Errc::kConnectTimeout:
    case Errc::kTlsTimeout:
    case Errc::kUpstreamClosed:
    case Errc::kUpstreamReset:
    case Errc::kUpstreamTruncated:
    case Errc::kFirstByteTimeout:
    case Errc::kUpstreamIdleTimeout:
      return true;
    default:
      return false;
  }
}

bool is_passing(int status) noexcept {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

std::optional<Duration> retry_pause(http::Method method, const endpoints::BatchResult& result,
                                    unsigned attempt, std::uint64_t random,
                                    std::chrono::sys_seconds now) {
  const bool answered = result.errc == Errc::kCount_;
  if (!http::is_idempotent(method)) return std::nullopt;
  if (answered ? !is_passing(result.status) : !is_passing(result.errc)) return std::nullopt;
  if (answered) {
    const auto asked =
        client::retry_after(result.fields.value_or(http::FieldId::kRetryAfter, {}), now);
    if (asked && *asked > kRetryAfterMax) return std::nullopt;
    if (asked) return asked;
  }
  return kRetryBackoff.wait(attempt, random);
}

}  // namespace millrace::app
