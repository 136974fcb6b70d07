// The inside of the resolver: one lookup of one absolute name, and the queries that lookups share.
#pragma once

#include "net/cares_channel.hpp"
#include "net/resolver.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/wait_queue.hpp"

#include <array>
#include <coroutine>
#include <memory>
#include <optional>
#include <string>

#include <boost/intrusive/list.hpp>

namespace millrace::net {

/// One type's part of a lookup: not asked for, waiting on a flight, or answered.
struct Resolver::Slot
    : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  Lookup* lookup = nullptr;
  Flight* flight = nullptr;  // set while waiting
  std::optional<DnsAnswer> answer;
  TimePoint expiry = TimePoint::max();
  DnsSource source = DnsSource::kDns;

  [[nodiscard]] bool usable() const noexcept { return answer && answer->has_value(); }
};

/// One query, and the lookups that share it.
struct Resolver::Flight final : DnsQuery {
  Flight(Resolver& r, DnsKey key) : resolver(r), name(key.name), type(key.type) {}
  [[nodiscard]] DnsKey key() const noexcept { return {type, name}; }
  void query_done(DnsOutcome outcome) noexcept override {
    --resolver.in_flight_;
    resolver.finish(*this, std::move(outcome));
  }

  Resolver& resolver;
  const std::string name;
  const DnsType type;
  bool sent = false;
  bool background = false;  // goes on when nobody waits
  boost::intrusive::list<Slot, boost::intrusive::constant_time_size<false>> waiting;
};

/// Awaits the answers that it was given or that it joined: all of them, or one and the resolution
/// delay, or the deadline.
class Resolver::Lookup final : public Waiter, TimerEntry {
 public:
  Lookup(Resolver& resolver, TimePoint deadline) : resolver_(resolver), deadline_(deadline) {
    for (Slot& slot : slots_) slot.lookup = this;
  }
  ~Lookup() { leave(); }

  void join(Flight& flight) noexcept {
    Slot& s = slot(flight.type);
    s.flight = &flight;
    flight.waiting.push_back(s);
  }
  void answer(DnsType type, const DnsAnswer& answer, TimePoint expiry, DnsSource source);

  bool await_ready() const noexcept { return settled(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    if (!suspend(h)) return false;
    suspended_ = true;
    IoThread::current().arm(*this, usable() ? soon() : deadline_);
    return true;
  }
  /// Afterwards one of the next two.
  [[nodiscard]] Result<void> await_resume();
  [[nodiscard]] Addresses addresses();
  [[nodiscard]] SrvRecords services();

 private:
  [[nodiscard]] Slot& slot(DnsType type) noexcept {
    return slots_[type == DnsType::kA ? 0 : type == DnsType::kAaaa ? 1 : 2];
  }
  [[nodiscard]] bool settled() const noexcept;
  [[nodiscard]] bool usable() const noexcept;
  [[nodiscard]] TimePoint soon() const noexcept {
    return std::min(deadline_, Clock::now() + resolver_.options_.resolution_delay);
  }
  /// Nothing came: what the cache still has, for the types that were waited for.
  void take_last_resort();
  [[nodiscard]] Error failure() const noexcept;
  [[nodiscard]] DnsRecords* take(DnsType type, TimePoint& expiry, DnsSource& source) noexcept;

  /// Gives up what is still waited for.
  void leave() noexcept;
  void detach() noexcept override {
    IoThread::current().disarm(*this);
    leave();
  }
  void expired() noexcept override {
    suspended_ = false;
    wake();
  }

  Resolver& resolver_;
  const TimePoint deadline_;
  std::array<Slot, 3> slots_;
  bool suspended_ = false;
};

}  // namespace millrace::net
