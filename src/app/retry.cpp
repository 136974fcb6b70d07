#include "app/retry.hpp"

#include "http/ascii.hpp"
#include "http/date.hpp"

#include <algorithm>

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

std::optional<Duration> retry_after(const http::Fields& fields, std::chrono::sys_seconds now) {
  const http::Field* field = fields.find(http::FieldId::kRetryAfter);
  if (field == nullptr) return std::nullopt;
  if (const auto seconds = http::parse_decimal(field->value))
    return std::chrono::seconds(std::min<std::uint64_t>(*seconds, 86'400));
  const auto date = http::parse_date(field->value, now);
  if (!date) return std::nullopt;
  return std::chrono::seconds(std::clamp<std::int64_t>((*date - now).count(), 0, 86'400));
}

}  // namespace

std::optional<Duration> retry_pause(http::Method method, const endpoints::BatchResult& result,
                                    unsigned attempt, double jitter, std::chrono::sys_seconds now) {
  const bool answered = result.errc == Errc::kCount_;
  if (!http::is_idempotent(method)) return std::nullopt;
  if (answered ? !is_passing(result.status) : !is_passing(result.errc)) return std::nullopt;
  if (answered) {
    const auto asked = retry_after(result.fields, now);
    if (asked && *asked > kRetryAfterMax) return std::nullopt;
    if (asked) return asked;
  }
  const Duration whole =
      std::min<Duration>(kRetryPause * (1U << std::min(attempt, 10U)), kRetryPauseMax);
  return std::chrono::duration_cast<Duration>(whole * (0.5 + 0.5 * jitter));
}

}  // namespace millrace::app
