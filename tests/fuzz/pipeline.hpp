// A pipeline for fuzzing servers: the first letter of a path says what its handler does, and
// everything that was asked and answered is recorded, to be compared with what the client got.
//
//   /e  echo: read whole, then sent      /s  streamed, three pieces of unknown length
//   /p  piped: passed on as it comes     /k  the same with a length
//   /r  reads one piece, then answers    /l  20,000 bytes
//   /i  ignores the body                 /z  a known length of 0
//   /n  204    /m  304 with a length     /f  fails    /a  begins and fails    /b  begins, too short
//   /c  103 first    /w  waits a turn    /u  upgrades where the client asked for it, then echoes
//   anything else answers "ok"
#pragma once

#include "millrace/pipeline.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace millrace::fuzz {

/// One exchange, as the server saw it.
struct Record {
  std::string method, authority, path, query;
  http::Method method_id = http::Method::kGet;
  http::Version version = http::Version::kHttp11;
  std::string body;                     ///< what the handler read of it
  std::optional<std::string> expected;  ///< the answer's body, where the handler knows it all
  Errc outcome = Errc::kCount_;         ///< kCount_: none failed
  int status = 0;                       ///< 0: not answered
  bool finished = false;                ///< the answer's end was reached
  bool refused = false;                 ///< the head did not pass
  bool expects_continue = false;
  bool wants_upgrade = false;
};

/// To stderr, for whoever has to understand a finding.
void print(const std::deque<Record>& records);

class RecordingPipeline final : public Pipeline {
 public:
  RecordingPipeline();
  ~RecordingPipeline() override;

  const ConnectionLimits& limits() const noexcept override { return limits_; }
  bool draining() const noexcept override { return false; }
  void watch_drain(DrainWatcher&) noexcept override {}
  Handler& begin(Exchange& exchange) override;
  void end(Exchange& exchange, Result<void> outcome) override;
  void refuse(Exchange& exchange, Error error) override;

  /// In the order in which they began.
  [[nodiscard]] const std::deque<Record>& records() const noexcept { return records_; }
  /// Of an exchange that is running.
  [[nodiscard]] Record& record(const Exchange& exchange) { return *running_.at(&exchange); }

 private:
  class Actions;
  Record& add(const Exchange& exchange);

  ConnectionLimits limits_;
  std::deque<Record> records_;
  std::unordered_map<const Exchange*, Record*> running_;
  std::unique_ptr<Actions> actions_;
};

}  // namespace millrace::fuzz
