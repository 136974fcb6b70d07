// A pipeline for wire tests: every path is a small handler that does one thing to the wire.
//
//   /fixed            "hello", without looking at the request's body
//   /show             method, authority, path, query and version, one line each
//   /echo             the request's body, read whole first
//   /pipe             the same, passed on as it comes (of known length, or chunked)
//   /pieces           "one", "two", "three", chunked; /known: the same with a length
//   /status/NNN       NNN and the body "hello"; /empty/NNN: NNN without a body
//   /early/NNN        103 first
//   /abort            half of a chunked body, then an error; /abort/known: of a known length
//   /short            finishes before its length is reached
//   /ignore           reads the body, ignores its errors and answers "hello" all the same
//   /wait             waits until `released` is set, then "hello"
//   /large            1 MiB of "x" of known length
//   CONNECT echo:N    a tunnel: what comes goes back, and our side ends with the client's
//   CONNECT ends:N    a tunnel: "hello", our end, then what the client still says is read
//   CONNECT slow:N    as echo:N, once `released` is set
// An error is answered with its code as the body.
#pragma once

#include "h1/server_connection.hpp"
#include "millrace/pipeline.hpp"
#include "runtime/wait_queue.hpp"

#include <memory>
#include <string>
#include <vector>

namespace millrace::test {

class WirePipeline final : public Pipeline {
 public:
  WirePipeline();
  ~WirePipeline() override;

  const ConnectionLimits& limits() const noexcept override { return limits_; }
  bool draining() const noexcept override { return is_draining; }
  Handler& begin(Exchange& exchange) override;
  void end(Exchange& exchange, Result<void> outcome) override;
  void refuse(Exchange& exchange, Error error) override;

  ConnectionLimits limits_;
  bool is_draining = false;
  /// The cause of each exchange, in order: "ok" or an error's code.
  std::vector<std::string> outcomes;
  Event released;
  /// /wait was entered.
  Event waiting;

 private:
  class Actions;
  std::unique_ptr<Actions> actions_;
};

/// What the pipeline answers when it refuses: the whole message, with `<date>` for the date.
[[nodiscard]] std::string refusal(Errc errc);
[[nodiscard]] std::string answer(std::string_view body);
/// Replaces the values of Date fields by `<date>`.
void hide_dates(std::string& text);

/// An HTTP/1 connection to its end.
inline Task<void> serve_h1(net::Stream stream, const PeerInfo& peer, Pipeline& pipeline) {
  (void)co_await h1::serve_connection(std::move(stream), peer, pipeline);
}

}  // namespace millrace::test
