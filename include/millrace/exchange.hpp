// One request and its answer, whatever the protocol: what a codec (h1, h2) offers and a handler
// uses.
//
// Life: the codec makes an Exchange once the gate has passed the head, awaits handle() in a scope
// of the exchange's own, then finishes it. The scope is cancelled with kClientGone when the client
// goes away and with kShuttingDown when the drain time is over; every wait inside fails with that
// reason.
//
// The response goes out in one of two ways:
//   respond(head, body)                         whole, small, no waiting (64 KiB at most)
//   start(head); write(bytes)...; finish()      streamed; write waits while the client is slow
// Where the client asked for a protocol of its own (request.upgrade), start() with status 101 opens
// a tunnel: from then on read_body() and write() carry its bytes, and finish() ends our side. Over
// HTTP/1 a 2xx answer to CONNECT opens one in the same way (HTTP/2 has none for it here);
// read_body() then begins with what the client sent without waiting for the answer. What a turn
// wrote leaves in one system call at the end of that turn: no flush is needed, SSE included.
//
// Ownership: the codec owns it; views in `request` live as long as the exchange.
// Thread rule: the connection's io thread.
#pragma once

#include "base/error.hpp"
#include "http/head.hpp"
#include "millrace/timings.hpp"
#include "runtime/task.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace {

using Bytes = std::span<const char>;

/// What a TLS connection was made for.
class ServedCertificate {
 public:
  /// May a request for `authority` (host[:port]) come over this connection? False: it belongs to
  /// another one (421). Cheap for the same authority again.
  [[nodiscard]] virtual bool admits(std::string_view authority) = 0;

 protected:
  ~ServedCertificate() = default;
};

/// Who is on the other side of the connection. Lives as long as the connection.
struct PeerInfo {
  std::string_view address;  ///< IP literal without port; "unix" for a unix socket
  std::uint16_t port = 0;
  std::string_view local_address;
  std::uint16_t local_port = 0;
  bool loopback = false;
  bool trusted_proxy = false;  ///< in server.trusted_proxies: its forwarding fields are believed
  /// Subject of the client's verified certificate (RFC 2253, ASCII); empty: it has shown none.
  std::string_view client_subject = {};
  ServedCertificate* served = nullptr;  ///< nullptr: not TLS
};

/// What the access log and the metrics tell of the upstream side; written by proxy and fetch.
struct UpstreamTrace {
  std::string_view upstream;  ///< name of the upstream or host; lives as long as the exchange
  std::string target;         ///< address that was dialled
  int status = 0;
  unsigned attempts = 0;
  bool reused = false;
  Timings timings;
  /// How long it worked for a client that has gone.
  std::chrono::steady_clock::duration wasted{};
};

class Exchange {
 public:
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  http::RequestHead& request;
  const PeerInfo& peer;

  /// Path below the route's fixed part: "/grayscale" for "/v1/image/*". Set by the router.
  std::string_view route_path;
  /// The route's pattern, for logs and metrics (bounded cardinality).
  std::string_view route_name;
  std::string_view request_id;
  UpstreamTrace upstream;
  /// Why the exchange failed, when it did: the `cause` of the access log.
  Errc cause = Errc::kCount_;
  /// One sentence more for the problem document: what, where, what to do.
  std::string detail;
  /// For a 503: when to ask again. Below a second it is a second.
  std::chrono::seconds retry_after{1};

  // --- the request's body ---

  /// The next piece of the body; empty at its end. Valid until the next call. Sends `100 Continue`
  /// first where the client waits for it. Errors: kBodyTooLarge, kBodyTruncated, kBodyTooSlow,
  /// kBadChunk, kClientGone, or the scope's reason.
  virtual Task<Result<Bytes>> read_body() = 0;
  /// The trailer fields that came behind the body, without those that may not come this late
  /// (RFC 9110 section 6.5.1); nullptr: none. Complete once read_body() has given the end.
  [[nodiscard]] virtual const http::Fields* request_trailers() const noexcept { return nullptr; }
  /// Caps the body: over `bytes_max` read_body fails with kBodyTooLarge, and `key` (a configuration
  /// key) is named in the answer. Fails at once when the length is known.
  Result<void> limit_body(std::uint64_t bytes_max, std::string_view key);

  // --- the response ---

  /// Sends an interim (1xx) head. Ignored for HTTP/1.0 clients.
  virtual void interim(int status, const http::Fields& fields) = 0;
  /// A whole response. `body` is copied; at most kRespondBytesMax.
  void respond(http::ResponseHead& head, std::string_view body);
  /// Begins a response; head.body says how long it will be.
  void start(http::ResponseHead& head);
  /// A piece of the body. Returns when the bytes are taken over; waits while the client is slow.
  virtual Task<Result<void>> write(Bytes bytes) = 0;
  /// The clean end of the body. Fails (and aborts) when a known length was not reached. `trailers`
  /// go out where the client takes them: always over HTTP/2, over HTTP/1.1 with `TE: trailers` and
  /// a chunked body.
  Result<void> finish() { return end_body(nullptr); }
  Result<void> finish(const http::Fields* trailers) { return end_body(trailers); }
  /// start + write + finish, for a body of any size.
  Task<Result<void>> send(http::ResponseHead& head, Bytes body);

  /// The head has gone out: errors can only abort now.
  [[nodiscard]] bool started() const noexcept { return status_ != 0; }
  [[nodiscard]] bool finished() const noexcept { return finished_; }
  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] std::uint64_t sent_bytes() const noexcept { return sent_bytes_; }
  [[nodiscard]] std::uint64_t received_bytes() const noexcept { return received_bytes_; }
  [[nodiscard]] std::chrono::steady_clock::time_point began() const noexcept { return began_; }

  static constexpr std::size_t kRespondBytesMax = 64 * 1024;

 protected:
  Exchange(http::RequestHead& r, const PeerInfo& p) : request(r), peer(p) {}
  ~Exchange() = default;

  /// The codec's part of start(): serialise and queue. Never waits.
  virtual void write_head(const http::ResponseHead& head) = 0;
  /// The codec's part of finish().
  virtual Result<void> end_body(const http::Fields* trailers) = 0;
  /// The codec's part of respond().
  virtual void write_whole(const http::ResponseHead& head, std::string_view body) = 0;
  /// Prepares for the next request of the connection.
  void reset(std::chrono::steady_clock::time_point now) noexcept;
  /// Books `n` body bytes; false: over the limit.
  [[nodiscard]] bool count_received(std::uint64_t n) noexcept;
  Error body_too_large();

  int status_ = 0;
  bool finished_ = false;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t body_bytes_max_ = UINT64_MAX;
  std::string_view body_limit_key_;
  std::chrono::steady_clock::time_point began_;
  /// Told of the response head before it is written; see Observer.
  class Observer* observer_ = nullptr;
  friend class Observer;
};

/// Hooks around every exchange, in the pipeline: may add response fields, may not wait.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void response_head(Exchange& exchange, http::ResponseHead& head) = 0;

 protected:
  static void attach(Exchange& e, Observer& o) noexcept { e.observer_ = &o; }
  static Observer* attached(const Exchange& e) noexcept { return e.observer_; }
};

/// Answers requests. Shared by all connections of one io thread.
class Handler {
 public:
  virtual ~Handler() = default;
  /// Answers `exchange`. An error before the response has started becomes a problem document; after
  /// that, an abort. An answer that was started and not finished when handle returns is aborted
  /// too.
  virtual Task<Result<void>> handle(Exchange& exchange) = 0;
};

inline void Exchange::reset(std::chrono::steady_clock::time_point now) noexcept {
  route_path = route_name = request_id = {};
  upstream.upstream = {};
  upstream.target.clear();
  upstream.status = 0;
  upstream.attempts = 0;
  upstream.reused = false;
  upstream.timings = {};
  upstream.wasted = {};
  cause = Errc::kCount_;
  detail.clear();
  retry_after = std::chrono::seconds(1);
  status_ = 0;
  finished_ = false;
  sent_bytes_ = received_bytes_ = 0;
  body_bytes_max_ = UINT64_MAX;
  body_limit_key_ = {};
  began_ = now;
  observer_ = nullptr;
}

inline Error Exchange::body_too_large() {
  detail = "The body is larger than " + std::to_string(body_bytes_max_) + " bytes; raise " +
           std::string(body_limit_key_) + " to allow it.";
  return Errc::kBodyTooLarge;
}

inline Result<void> Exchange::limit_body(std::uint64_t bytes_max, std::string_view key) {
  if (bytes_max >= body_bytes_max_) return {};
  body_bytes_max_ = bytes_max;
  body_limit_key_ = key;
  if (request.body.is_known() && request.body.bytes > bytes_max) return fail(body_too_large());
  return {};
}

inline bool Exchange::count_received(std::uint64_t n) noexcept {
  received_bytes_ += n;
  return received_bytes_ <= body_bytes_max_;
}

inline void Exchange::start(http::ResponseHead& head) {
  if (observer_ != nullptr) observer_->response_head(*this, head);
  status_ = head.status;
  write_head(head);
}

inline void Exchange::respond(http::ResponseHead& head, std::string_view body) {
  head.body = http::BodyLength::known(body.size());
  if (observer_ != nullptr) observer_->response_head(*this, head);
  status_ = head.status;
  write_whole(head, body);
}

inline Task<Result<void>> Exchange::send(http::ResponseHead& head, Bytes body) {
  if (body.size() <= kRespondBytesMax) {
    respond(head, {body.data(), body.size()});
    co_return Result<void>{};
  }
  head.body = http::BodyLength::known(body.size());
  start(head);
  if (auto written = co_await write(body); !written) co_return written;
  co_return finish();
}

}  // namespace millrace
