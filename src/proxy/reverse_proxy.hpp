// Passes exchanges on to an upstream and its answers back.
//
//   the body is taken in, where that is wanted (request_buffer)
//   the upstream has room, or the request waits for its turn (admission)
//   tries, each at another target if there is one (target_sender, client/retry, client/hedge)
//   the answer, as it comes (pass_on), or a tunnel
//
// What leaves is built anew: end-to-end fields, the Host that the upstream wants, forwarding
// fields, Via, and framing by the codec (http/forward.hpp). X-Queue-Time says for how many
// milliseconds the request has waited for its turn, if it has; X-Request-Deadline how many are left
// of the total limit, if there is one. CONNECT gets 501. Interim answers, trailers and upgrades are
// passed on.
//
// A client that goes away takes its request with it, or, where that is configured, leaves it to be
// finished: it is then ended by its own limits or by the end of the server.
//
// Thread rule: one io thread.
#pragma once

#include "client/hedge.hpp"
#include "client/latency_window.hpp"
#include "client/retry.hpp"
#include "config/routing.hpp"
#include "millrace/exchange.hpp"
#include "proxy/mirror.hpp"
#include "proxy/request_buffer.hpp"
#include "proxy/target_sender.hpp"
#include "proxy/upstream.hpp"
#include "proxy/upstream_limits.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace millrace::proxy {

/// What becomes of a request whose client has gone.
enum class ClientGone : std::uint8_t { kCancel, kFinish };

class ReverseProxy final : public Handler {
 public:
  struct Options {
    client::Timeouts timeouts;
    /// For the whole exchange, body included: 504. None by default: streams may last.
    Duration total = Duration::max();
    /// How often a request may be sent again.
    unsigned retries = 1;
    /// From the beginning of one try to the head of its answer.
    Duration per_try = Duration::max();
    /// Answers that are retried like failures. None by default: an answer is the service's own.
    std::vector<int> statuses;
    bool hedge = false;
    /// There is more than one target: the first retry need not wait.
    bool others_to_try = false;
    BufferOptions buffer;
    ClientGone client_gone = ClientGone::kCancel;
    /// Server-Timing on answers; nullopt: for loopback and trusted peers.
    std::optional<bool> server_timing;
    /// Of the route's path; nullopt: it goes on as it came.
    std::optional<config::Rewrite> rewrite;
    config::PathPattern pattern;
    /// Gets a copy of each request; nullptr: nobody. Outlives the proxy.
    Mirror* mirror = nullptr;
  };

  /// All must outlive it, and the allowances and the pool of `options.buffer`.
  ReverseProxy(Upstream& upstream, UpstreamLimits& limits, Options options);

  [[nodiscard]] Task<Result<void>> handle(Exchange& exchange) override;

 private:
  /// When it is too late for an exchange, and by whose measure.
  struct Limit {
    TimePoint at = TimePoint::max();
    Errc errc = Errc::kTotalTimeout;
  };
  /// One exchange's own.
  struct Pass;

  [[nodiscard]] Task<Result<void>> run(Pass& pass);
  [[nodiscard]] Task<Result<void>> finish(Pass& pass);
  [[nodiscard]] Task<Result<void>> forward_in_time(Pass& pass);
  [[nodiscard]] Task<Result<void>> forward(Pass& pass);
  [[nodiscard]] Task<Result<client::Response>> fetch(Pass& pass);
  [[nodiscard]] Task<Result<client::Response>> fetch_hedged(Pass& pass);
  [[nodiscard]] bool tells_timing(const PeerInfo& peer) const noexcept;
  [[nodiscard]] Task<Result<void>> answer(Pass& pass, client::Response& response);
  [[nodiscard]] Limit limit_of(const Exchange& exchange) const;
  void count_waste(Pass& pass) const;
  void fill_request(const Exchange& exchange, client::Request& request) const;
  [[nodiscard]] std::string_view target_of(const http::RequestHead& head,
                                           http::TextArena& arena) const;
  [[nodiscard]] std::string_view stripped_prefix(const http::RequestHead& head) const noexcept;
  void mirror(Pass& pass) const;

  Upstream& upstream_;
  UpstreamLimits& limits_;
  const Options options_;
  const client::RetryPolicy retry_;
  client::LatencyWindow latency_;
  const client::HedgePolicy hedge_;
};

}  // namespace millrace::proxy
