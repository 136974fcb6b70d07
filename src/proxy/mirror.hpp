// Copies of requests for another upstream, whose answers nobody sees: `mirror`.
//
// A copy is an exchange of its own, without a client: it never delays the original or makes it
// fail, and it goes on when the original's client has gone. Copied are requests without a body, or
// with one that is whole in memory when the original is sent on (request_buffer.hpp); no upgrades.
// Over kAtOnceMax copies under way, of one route on one thread, no more are made, and none that
// finds no room in the thread's allowance for bodies. A copy ends after kTimeMax, with its answer.
//
// Thread rule: one io thread.
#pragma once

#include "millrace/exchange.hpp"
#include "proxy/byte_allowance.hpp"
#include "proxy/random.hpp"
#include "proxy/request_buffer.hpp"
#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace millrace::proxy {

class Mirror {
 public:
  static constexpr std::size_t kAtOnceMax = 256;
  static constexpr Duration kTimeMax = std::chrono::seconds(60);

  struct Options {
    /// Of so many requests in a hundred.
    std::uint32_t percent = 100;
    std::uint64_t seed = 0;
    /// Runs a task to its end, beside everything, with the mirror kept alive. False: it is too late
    /// for that.
    std::function<bool(Task<void>)> spawn;
    /// What the bodies of copies are booked in; nullptr: no limit. Outlives the mirror.
    ByteAllowance* memory = nullptr;
  };

  /// `handler` answers the copies, and outlives them.
  Mirror(Handler& handler, Options options)
      : handler_(handler), options_(std::move(options)), random_(options_.seed) {}

  /// Is this one of those to copy? To be asked once per request.
  [[nodiscard]] bool wants(const Exchange& exchange);
  /// `body`: nullptr: there is none. One that is not whole in memory is not copied.
  void send(const Exchange& exchange, const BufferedBody* body);

 private:
  class Copy;
  /// nullptr: there is no room for it.
  [[nodiscard]] std::unique_ptr<Copy> copy(const Exchange& exchange, const BufferedBody* body);
  [[nodiscard]] static Task<void> run(Mirror* mirror, std::unique_ptr<Copy> copy);

  Handler& handler_;
  const Options options_;
  Random random_;
  std::size_t under_way_ = 0;
};

}  // namespace millrace::proxy
