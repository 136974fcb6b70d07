// One request to an upstream and its answer, whatever the protocol: what a client's codec (h1, h2)
// offers and the fetch engine uses.
//
//   send(...)             the head goes out; a body is pulled from its source by a task of its own
//   co_await read_head()  the final answer's head; interim ones are told to the sink
//   co_await read_body()  piece by piece, framing taken off
//   give_back()           always, and last
//
// Ownership: the codec's; whoever has it gives it back (ExchangePtr does). Views (fields, pieces)
// live until then, a piece until the next read_body(). The body's source must live until stop() was
// awaited or sending() is false: giving back an exchange that is still sending is a bug (asserted).
// Thread rule: one io thread.
#pragma once

#include "millrace/body_source.hpp"
#include "runtime/deadline_wheel.hpp"

#include <memory>
#include <string_view>

namespace millrace {

/// Told of interim (1xx) answers while the final one is waited for.
class InterimSink {
 public:
  virtual void interim(int status, const http::Fields& fields) = 0;

 protected:
  ~InterimSink() = default;
};

/// What to send. `fields` without framing, Host and hop-by-hop fields (TE: trailers may be there);
/// views need to live until send() returns (`upgrade`: until read_head() does), `body` until it is
/// sent, `interim` until read_head() returns.
struct OutgoingRequest {
  http::Method method = http::Method::kGet;
  std::string_view method_text = "GET";
  /// Path and query.
  std::string_view target = "/";
  /// The Host field, or :authority.
  std::string_view host;
  /// The protocol to go on with; empty: none. Then an answer of 101 opens a tunnel: send_tunnel()
  /// begins our direction of it, read_body() is the other. HTTP/1.1 only.
  std::string_view upgrade = {};
  const http::Fields& fields;
  BodySource* body = nullptr;      ///< nullptr: none
  InterimSink* interim = nullptr;  ///< nullptr: they are passed over
};

struct ExchangeTimeouts {
  /// From the end of sending to the end of the final answer's head: kFirstByteTimeout.
  Duration first_byte = Duration::max();
  /// Between two reads of the body: kUpstreamIdleTimeout.
  Duration idle = Duration::max();
};

class ClientExchange {
 public:
  ClientExchange() = default;
  ClientExchange(const ClientExchange&) = delete;
  ClientExchange& operator=(const ClientExchange&) = delete;

  /// Begins. An error (kUpstreamClosed, kUpstreamReset) means that not a byte was written.
  [[nodiscard]] virtual Result<void> send(const OutgoingRequest& request,
                                          const ExchangeTimeouts& timeouts) = 0;
  /// Errors: kUpstreamClosed, kUpstreamReset, kUpstreamBadMessage, kUpstreamHeadTooLarge,
  /// kFirstByteTimeout, kUpstreamIdleTimeout, the scope's, and whatever the body's source failed
  /// with.
  [[nodiscard]] virtual Task<Result<void>> read_head() = 0;
  /// The next piece; empty at the clean end. Errors: kUpstreamTruncated, kUpstreamReset,
  /// kUpstreamBadMessage, kUpstreamIdleTimeout, the scope's, the source's.
  [[nodiscard]] virtual Task<Result<Bytes>> read_body() = 0;
  /// The whole body was handed out: read_body() would give the end without waiting.
  [[nodiscard]] virtual bool body_done() const noexcept = 0;
  /// The fields behind the body, once it was read to its end; nullptr: none.
  [[nodiscard]] virtual const http::Fields* trailers() = 0;
  /// After a 101: sends what `source` gives until its end, which ends our direction.
  virtual void send_tunnel(BodySource& source) = 0;
  /// The body is still on its way.
  [[nodiscard]] virtual bool sending() const noexcept = 0;
  /// Ends the exchange and waits until the body's source is let go.
  [[nodiscard]] virtual Task<void> stop() = 0;
  /// Whoever had it needs it no longer. What was not read to its end is broken off.
  virtual void give_back() noexcept = 0;

  /// Its connection serves nobody else afterwards.
  void keep_for_one() noexcept { for_one_ = true; }

  // --- valid after read_head ---
  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] http::Version version() const noexcept { return version_; }
  [[nodiscard]] http::Fields& fields() noexcept { return fields_; }
  [[nodiscard]] const http::Fields& fields() const noexcept { return fields_; }
  [[nodiscard]] http::BodyLength body_length() const noexcept { return length_; }
  [[nodiscard]] bool is_tunnel() const noexcept { return head_done_ && status_ == 101; }

  /// When the last byte of the request was handed to the kernel; the epoch before that.
  [[nodiscard]] TimePoint sent_at() const noexcept { return sent_at_; }
  /// A byte of an answer has come: the request must not be sent again.
  [[nodiscard]] bool answered() const noexcept { return answered_; }
  /// The body's source was asked at least once.
  [[nodiscard]] bool body_touched() const noexcept { return body_touched_; }
  /// The peer has said that it did nothing with the request (RFC 9113 section 8.7): it may be sent
  /// again, whatever its method.
  [[nodiscard]] bool refused() const noexcept { return refused_; }
  /// The peer has ended this exchange alone, and not its connection.
  [[nodiscard]] bool peer_reset() const noexcept { return peer_reset_; }
  /// Refused, and why: it wants HTTP/1.1 for this one (RFC 9113 section 7).
  [[nodiscard]] bool wants_http1() const noexcept { return wants_http1_; }

 protected:
  ~ClientExchange() = default;

  http::Fields fields_;
  http::BodyLength length_;
  TimePoint sent_at_{};
  int status_ = 0;
  http::Version version_ = http::Version::kHttp11;
  bool head_done_ = false;
  bool answered_ = false;
  bool body_touched_ = false;
  bool refused_ = false;
  bool wants_http1_ = false;
  bool peer_reset_ = false;
  bool for_one_ = false;
};

struct GiveBack {
  void operator()(ClientExchange* exchange) const noexcept { exchange->give_back(); }
};
using ExchangePtr = std::unique_ptr<ClientExchange, GiveBack>;

}  // namespace millrace
