#include "net/handshake_gate.hpp"

#include <cassert>

namespace millrace::net {

HandshakeGate::HandshakeGate() : round_(std::make_shared<Round>()) {}

HandshakeGate::~HandshakeGate() {
  assert(round_->queue.empty() && "nobody may wait at a gate that ends");
}

// One at a time: whether there is room for the one behind shows when a step is done.
void HandshakeGate::Round::wake_next() noexcept {
  if (woken || !open()) return;
  if (QueuedWaiter* first = queue.pop()) {
    woken = true;
    first->wake();
  }
}

void HandshakeGate::Round::done(Duration took) noexcept {
  spent += took;
  wake_next();
}

void HandshakeGate::Round::next() noexcept {
  steps = 0;
  spent = {};
  wake_next();
}

HandshakeGate::Permit::~Permit() {
  if (round_ != nullptr) round_->done(Clock::now() - began_);
}

bool HandshakeGate::Wait::await_ready() noexcept {
  const Round& round = *gate_.round_;
  return round.open() && round.queue.empty() && !round.woken;
}

Result<HandshakeGate::Permit> HandshakeGate::Wait::await_resume() noexcept {
  Round& round = *gate_.round_;
  if (was_cancelled()) return fail(cancel_reason());
  if (queued_) round.woken = false;
  // The first step of a round opens the next one, behind everything that is ready by then.
  if (round.steps++ == 0) IoThread::current().post([next = gate_.round_] { next->next(); });
  return Permit(round);
}

}  // namespace millrace::net
