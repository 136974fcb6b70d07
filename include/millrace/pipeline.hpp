// What a codec needs from the server around it: limits, a handler for each exchange, and an end.
//
// begin, handler and end are apart so that the codec awaits the handler itself: a complete small
// request costs one coroutine frame above the connection's own.
//
// Thread rule: one per io thread.
#pragma once

#include "base/error.hpp"
#include "http/limits.hpp"
#include "millrace/exchange.hpp"
#include "runtime/wait_queue.hpp"

#include <chrono>
#include <cstdint>

namespace millrace {

/// Limits of one listener's connections. Configuration keys: server.* and limits.*.
struct ConnectionLimits {
  http::HeadLimits head;
  /// From a head's first byte (or the accept) to its end, however slowly it drips: slowloris.
  std::chrono::milliseconds head_timeout{10'000};
  /// Between requests of a keep-alive connection. nginx's default.
  std::chrono::milliseconds idle_timeout{75'000};
  /// A client that takes no byte of its answer for so long is gone.
  std::chrono::milliseconds write_stall_timeout{30'000};
  /// A request body must come at this many bytes per second on average, the time we do not wait for
  /// it not counted; 0: any rate.
  std::uint64_t body_rate_min = 240;
  /// Waiting that is free of that: the first bytes may take a while. Apache's RequestReadTimeout
  /// has 20 s.
  std::chrono::milliseconds body_rate_grace{20'000};
  /// A body that stops for so long is given up whatever its rate was. nginx's client_body_timeout.
  std::chrono::milliseconds body_idle_timeout{60'000};
  /// Any request body; endpoints have smaller caps of their own. "none" by default.
  std::uint64_t body_bytes_max = UINT64_MAX;
  /// How long a connection that we close waits for the client's end, so that a reset does not
  /// destroy the last answer on its way (RFC 9112 section 9.6).
  std::chrono::milliseconds linger_timeout{2'000};
};

/// Told once, in the turn in which the server begins to go down. For connections that have
/// something to say then.
class DrainWatcher : public QueueHook {
 public:
  virtual void draining() noexcept = 0;

 protected:
  ~DrainWatcher() = default;
};

class Pipeline {
 public:
  virtual ~Pipeline() = default;

  /// A reload changes them between two turns: not to be kept over a wait.
  [[nodiscard]] virtual const ConnectionLimits& limits() const noexcept = 0;
  /// The server is going down: answers say `Connection: close`.
  [[nodiscard]] virtual bool draining() const noexcept = 0;
  /// `watcher` leaves by itself when destroyed. A pipeline that never drains need not listen.
  virtual void watch_drain(DrainWatcher& watcher) noexcept { (void)watcher; }

  /// The head has passed the gate: runs the request hooks, routes. The handler, and what the
  /// exchange is told of its route, live until end(), which must follow.
  [[nodiscard]] virtual Handler& begin(Exchange& exchange) = 0;
  /// The handler is done: renders its error when nothing was sent, runs the finish hooks.
  virtual void end(Exchange& exchange, Result<void> outcome) = 0;
  /// The head did not pass: renders the error, runs the finish hooks. `exchange.request` may hold
  /// no more than method and target.
  virtual void refuse(Exchange& exchange, Error error) = 0;
};

}  // namespace millrace
