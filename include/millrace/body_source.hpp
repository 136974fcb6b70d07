// Where the body of an outgoing message comes from: pulled piece by piece by whoever sends it, so
// that a slow reader stops a fast source end to end.
//
// Ownership: whoever makes the request owns the source, which outlives the exchange (until its
// response is closed). Thread rule: one io thread.
#pragma once

#include "millrace/exchange.hpp"

namespace millrace {

class BodySource {
 public:
  virtual ~BodySource() = default;

  /// Known before the first read: it decides the framing. kKnown, kUnknown or kNone.
  [[nodiscard]] virtual http::BodyLength length() const noexcept = 0;
  /// The next piece, empty at the end; valid until the next call. An error aborts the message.
  [[nodiscard]] virtual Task<Result<Bytes>> read() = 0;
  /// What came behind the body, once read() has given the end; nullptr: nothing.
  [[nodiscard]] virtual const http::Fields* trailers() const noexcept { return nullptr; }
  /// Begins anew, so that the message may be sent again. False: what was read is gone.
  [[nodiscard]] virtual bool rewind() noexcept { return false; }
};

/// A body in memory, of any size. Refers to its bytes.
class MemoryBody final : public BodySource {
 public:
  explicit MemoryBody(Bytes bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] http::BodyLength length() const noexcept override {
    return http::BodyLength::known(bytes_.size());
  }
  [[nodiscard]] Task<Result<Bytes>> read() override {
    co_return std::exchange(given_, true) ? Bytes{} : bytes_;
  }
  [[nodiscard]] bool rewind() noexcept override {
    given_ = false;
    return true;
  }

 private:
  Bytes bytes_;
  bool given_ = false;
};

/// The body of a request that is being answered, passed on as it comes.
class ExchangeBody final : public BodySource {
 public:
  explicit ExchangeBody(Exchange& exchange) noexcept : exchange_(exchange) {}

  [[nodiscard]] http::BodyLength length() const noexcept override { return exchange_.request.body; }
  [[nodiscard]] Task<Result<Bytes>> read() override { return exchange_.read_body(); }
  [[nodiscard]] const http::Fields* trailers() const noexcept override {
    return exchange_.request_trailers();
  }

 private:
  Exchange& exchange_;
};

}  // namespace millrace
