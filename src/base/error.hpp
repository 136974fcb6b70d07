// Expected failures as values: one enumerator per distinct cause, one table that says what each
// means.
//
// `Result<T>` is what every fallible function returns. Exceptions are for configuration and
// start-up; throws of libraries are converted in the file that wraps the library.
//
// Thread rule: everything here is immutable and may be used from any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace millrace {

enum class Errc : std::uint8_t {
  // The work was given up by its owner.
  kCancelled,
  kDeadline,
  kShuttingDown,

  // The client's message (RFC 9112, RFC 9110).
  kBadRequestLine,
  kBadMethod,
  kMethodUnknown,
  kBadTarget,
  kTargetTooLong,
  kBadVersion,
  kBadField,
  kBadHost,
  kHeadTooLarge,
  kTooManyFields,
  kBadContentLength,
  kBadTransferEncoding,
  kUnknownTransferCoding,
  kBadChunk,
  kBadTrailer,
  kBodyTooLarge,
  kBodyTruncated,
  kBodyTooSlow,
  kHeadTimeout,
  kIdleTimeout,
  kExpectationFailed,
  kUnexpectedUpgrade,
  kMisdirected,

  // The client's connection.
  kClientGone,
  kWriteStalled,

  // What was asked for.
  kNotFound,
  kMethodNotAllowed,
  kBadParameter,
  kEmptyBody,
  kUnsupportedMedia,
  kMalformedMedia,
  kMediaTooLarge,
  kUrlRefused,

  // The upstream.
  kDnsNotFound,
  kDnsFailed,
  kDnsTimeout,
  kConnectRefused,
  kConnectFailed,
  kConnectTimeout,
  kTlsFailed,
  kTlsTimeout,
  kUpstreamClosed,
  kUpstreamReset,
  kUpstreamBadMessage,
  kUpstreamNoUpgrade,
  kUpstreamHeadTooLarge,
  kUpstreamTruncated,
  kUpstreamBadCoding,
  kUpstreamTooLarge,
  kFirstByteTimeout,
  kUpstreamIdleTimeout,
  kTotalTimeout,
  kRequestDeadline,
  kTryTimeout,
  kTooManyRedirects,
  kProxyAuthRequired,
  kProxyRefused,

  // Ourselves.
  kNoTarget,
  kCircuitOpen,
  kQueueFull,
  kQueueTimeout,
  kOffloadFull,
  kOutOfMemory,
  kIo,
  kInternal,
  kCount_
};

enum class Fault : std::uint8_t { kNobody, kClient, kUpstream, kServer };

/// May the same request be tried again (elsewhere, on a new connection)?
enum class Retry : std::uint8_t { kNever, kIfUnsent, kIfIdempotent };

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

struct ErrcInfo {
  Errc errc;
  std::string_view code;  ///< stable snake_case name: `code` in problem+json, `cause` in the log
  std::uint16_t status;   ///< HTTP status the client gets; 0: nobody is there to get one
  Fault fault;
  Retry retry;
  LogLevel level;
  std::string_view text;  ///< one sentence without a full stop, fit for a client
};

/// The row of `errc`. Total: every enumerator has one (a test walks them).
[[nodiscard]] const ErrcInfo& info(Errc errc) noexcept;
[[nodiscard]] std::span<const ErrcInfo> all_errc_info() noexcept;

/// A failure: the cause, and the errno behind it where there was one.
struct Error {
  Errc errc = Errc::kInternal;
  int os_error = 0;

  constexpr Error(Errc e, int os = 0) noexcept
      : errc(e), os_error(os) {}  // NOLINT: implicit on purpose
  [[nodiscard]] bool is(Errc e) const noexcept { return errc == e; }
  [[nodiscard]] const ErrcInfo& info() const noexcept { return millrace::info(errc); }
  /// "connection refused (ECONNREFUSED)": for logs, not for clients.
  [[nodiscard]] std::string describe() const;
  friend constexpr bool operator==(const Error& a, const Error& b) noexcept {
    return a.errc == b.errc;
  }
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(Errc::kBadHost);`
[[nodiscard]] constexpr std::unexpected<Error> fail(Errc errc, int os_error = 0) noexcept {
  return std::unexpected<Error>(Error(errc, os_error));
}
[[nodiscard]] constexpr std::unexpected<Error> fail(Error error) noexcept {
  return std::unexpected<Error>(error);
}

}  // namespace millrace
