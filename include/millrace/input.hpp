// Inputs that a client names instead of sending: `?url=`.
//
// Endpoints that take a body take it through this, so that they know nothing of names, sockets and
// redirects, and tests need none. Thread rule: one io thread.
#pragma once

#include "millrace/exchange.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace {

/// An input on its way. Ownership: close() must be awaited before it dies, whatever happened.
class InputStream {
 public:
  virtual ~InputStream() = default;
  /// kKnown or kUnknown.
  [[nodiscard]] virtual http::BodyLength length() const noexcept = 0;
  /// The next piece; empty at the end. Valid until the next call.
  [[nodiscard]] virtual Task<Result<Bytes>> read() = 0;
  [[nodiscard]] virtual Task<void> close() = 0;
};

class InputFetcher {
 public:
  virtual ~InputFetcher() = default;
  /// Opens what lies at `url`; over `bytes_max` bytes it fails with kUpstreamTooLarge, here or
  /// while it is read. Other errors: kBadParameter, kUrlRefused, those of the upstream. May fill in
  /// `exchange.detail` and `exchange.upstream`.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<InputStream>>> open(
      Exchange& exchange, std::string_view url, std::uint64_t bytes_max) = 0;
};

}  // namespace millrace
