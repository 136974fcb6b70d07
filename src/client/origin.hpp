// Where requests go: everything that makes two connections different, the connections to it that
// can take a request, and what was learned of whoever is there.
//
// Ownership: counted by its connections and by whoever sends to it (OriginPtr, not atomic); when
// the last one lets go the client forgets it. Thread rule: one io thread.
#pragma once

#include "client/close_times.hpp"
#include "client/forward_proxy.hpp"
#include "net/address.hpp"
#include "net/tls_context.hpp"
#include "runtime/deadline_wheel.hpp"
#include "runtime/semaphore.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

namespace millrace::client {

class Client;
class Connection;
class Multiplexed;

/// Which HTTP is spoken there.
enum class HttpChoice : std::uint8_t {
  kHttp1,
  /// What ALPN says; without TLS HTTP/1.1.
  kNegotiate,
  /// HTTP/2 only; without TLS by prior knowledge ("h2c", RFC 9113 section 3.3).
  kHttp2,
};

struct OriginSpec {
  bool tls = false;
  HttpChoice http = HttpChoice::kHttp1;
  /// Host name or IP literal without brackets; empty with unix_path.
  std::string host;
  std::uint16_t port = 80;
  std::string unix_path;
  /// The name that the certificate must be for and that SNI says; empty: `host`.
  std::string tls_name;
  net::TlsClient::Options tls_options;
  /// Plain requests go to it in absolute-form, others through a tunnel. Not with `guarded`: it
  /// would dial what nobody has judged.
  std::optional<ForwardProxy> proxy;
  /// A client chose this address: the address guard judges it before it is dialled.
  bool guarded = false;

  friend std::strong_ordering operator<=>(const OriginSpec&, const OriginSpec&) = default;
};

/// What a connection pool lists connections by.
using SharedHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<struct SharedTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using IdleHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<struct IdleTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using OldestHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<struct OldestTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// What experience says of an origin. Kept for a while after the last connection to it.
struct OriginFacts {
  enum class Speaks : std::uint8_t { kUnknown, kHttp1, kHttp2 } speaks = Speaks::kUnknown;
  CloseTimes closes;
};

/// Requests that wait for a stream of an HTTP/2 connection, which somebody else dials or uses.
class StreamQueue {
 public:
  class Wait final : public QueuedWaiter {
   public:
    Wait(StreamQueue& q, bool first) noexcept : queue_(q), first_(first) {}
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) noexcept {
      if (!suspend(h)) return false;
      ++queue_.size_;
      if (first_)
        queue_.list_.push_front(*this);
      else
        queue_.list_.push(*this);
      return true;
    }
    /// Look again; or the dial that was waited for has failed.
    [[nodiscard]] Result<void> await_resume() const noexcept {
      if (was_cancelled()) return fail(cancel_reason());
      return outcome_;
    }

   private:
    friend StreamQueue;
    void detach() noexcept override {
      --queue_.size_;
      unlink();
    }
    StreamQueue& queue_;
    const bool first_;
    Result<void> outcome_;
  };

  /// `first`: it has waited before, and what it was woken for was gone.
  [[nodiscard]] Wait wait(bool first) noexcept { return {*this, first}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The first `count` look again.
  void wake(std::size_t count, const Result<void>& outcome = {}) noexcept {
    for (; count != 0 && size_ != 0; --count, --size_) {
      auto* first = static_cast<Wait*>(list_.pop());
      first->outcome_ = outcome;
      first->wake();
    }
  }

 private:
  WaitQueue list_;
  std::size_t size_ = 0;
};

class Origin {
 public:
  Origin(const Origin&) = delete;
  Origin& operator=(const Origin&) = delete;
  ~Origin();

  [[nodiscard]] const OriginSpec& spec() const noexcept { return spec_; }
  /// "host:port" or "unix:/path": for logs.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The one address, where no name has to be resolved.
  [[nodiscard]] const std::optional<net::SocketAddress>& fixed_address() const noexcept {
    return fixed_address_;
  }
  /// May a connection carry many requests at once, as far as is known?
  [[nodiscard]] bool may_share() const noexcept {
    if (spec_.http == HttpChoice::kHttp2) return true;
    return spec_.http == HttpChoice::kNegotiate && spec_.tls &&
           facts_.speaks != OriginFacts::Speaks::kHttp1;
  }
  [[nodiscard]] OriginFacts& facts() noexcept { return facts_; }
  /// The host and port of the first hop.
  [[nodiscard]] const std::string& dial_host() const noexcept {
    return spec_.proxy ? spec_.proxy->host : spec_.host;
  }
  [[nodiscard]] std::uint16_t dial_port() const noexcept {
    return spec_.proxy ? spec_.proxy->port : spec_.port;
  }
  /// Requests are sent to a proxy, in absolute-form.
  [[nodiscard]] bool is_relayed() const noexcept { return spec_.proxy && !spec_.tls; }
  /// nullptr: plain.
  [[nodiscard]] net::TlsClient* tls() const noexcept { return tls_; }
  [[nodiscard]] Client& client() const noexcept { return client_; }
  /// Idle connections to this origin: how many are kept at most, and for how long, whatever else
  /// would allow more. Whoever sets it last is right for all who share the origin.
  void limit_idle(std::size_t count_max, Duration age_max) noexcept {
    idle_count_max_ = count_max;
    idle_age_max_ = age_max;
  }
  /// At least so many HTTP/1.1 exchanges at once: for who has a queue of its own in front.
  void allow_exchanges(std::size_t count) noexcept {
    if (count <= exchanges_max_) return;
    exchanges_.grow(count - exchanges_max_);
    exchanges_max_ = count;
  }

 private:
  friend Client;
  friend Multiplexed;
  friend class Pool;
  friend void intrusive_ptr_add_ref(Origin* origin) noexcept { ++origin->uses_; }
  friend void intrusive_ptr_release(Origin* origin) noexcept;

  Origin(Client& client, OriginSpec spec, net::TlsClient* tls, std::size_t exchanges_max);

  Client& client_;
  const OriginSpec spec_;
  const std::string name_;
  const std::optional<net::SocketAddress> fixed_address_;
  net::TlsClient* const tls_;
  OriginFacts facts_;
  /// HTTP/1.1 exchanges under way, and with them connections.
  Semaphore exchanges_;
  std::size_t exchanges_max_;
  StreamQueue streams_;
  std::size_t shared_dials_ = 0;
  std::size_t shared_count_ = 0;
  boost::intrusive::list<Multiplexed, boost::intrusive::base_hook<SharedHook>,
                         boost::intrusive::constant_time_size<false>>
      shared_;
  std::size_t uses_ = 0;
  std::size_t idle_count_ = 0;
  std::size_t idle_count_max_ = SIZE_MAX;
  Duration idle_age_max_ = Duration::max();
  /// The one that was used last comes first.
  boost::intrusive::list<Connection, boost::intrusive::base_hook<IdleHook>,
                         boost::intrusive::constant_time_size<false>>
      idle_;
};

using OriginPtr = boost::intrusive_ptr<Origin>;

}  // namespace millrace::client
