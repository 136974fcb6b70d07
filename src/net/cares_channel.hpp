// The seam to c-ares: one channel on one io thread, asked for the records of one type of an
// absolute name at a time. c-ares sends, retries, changes to TCP and matches answers with
// questions; what they say is read by dns_message, since c-ares' own functions hide SOA records and
// TTLs.
//
// c-ares opens, owns and closes its sockets and tells us which to watch; it is called only when one
// of them is ready or its timer is due. It must not be destroyed inside its own callbacks, so
// answers are put aside there and handed out once c-ares has returned.
//
// Thread rule: one io thread; destroyed there, or while that thread does not run.
#pragma once

#include "base/error.hpp"
#include "net/dns_cache.hpp"
#include "runtime/io_thread.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct ares_channeldata;

namespace millrace::net {

/// Somebody who waits for an answer. Must live until it is told, or until the channel is gone.
class DnsQuery {
 public:
  /// Called once, never from inside c-ares; may start other queries on the channel.
  virtual void query_done(DnsOutcome outcome) noexcept = 0;

 protected:
  ~DnsQuery() = default;
};

class CaresChannel {
 public:
  struct Options {
    /// Instead of resolv.conf's: "192.0.2.1:53,[2001:db8::1]:53". resolv.conf is not read then.
    std::string servers;
    std::string resolv_conf = "/etc/resolv.conf";
    /// Of the first try; each further one waits twice as long.
    std::chrono::milliseconds try_timeout{700};
    /// Per server.
    int tries = 3;
    /// Of one answer; what is behind is dropped.
    std::size_t records_max = 64;
  };

  /// On the io thread. Errors: kDnsFailed (unusable options, out of memory or descriptors).
  [[nodiscard]] static Result<std::unique_ptr<CaresChannel>> open(const Options& options);
  CaresChannel(const CaresChannel&) = delete;
  CaresChannel& operator=(const CaresChannel&) = delete;
  /// Queries in flight are dropped without a word.
  ~CaresChannel();

  /// `name` is absolute: no search list. Answers: records, or kDnsNotFound, kDnsTimeout,
  /// kDnsFailed, kOutOfMemory. May call `query.query_done` before it returns.
  void query(const std::string& name, DnsType type, DnsQuery& query);

  /// Nothing is in flight and nothing is being handed out: may be destroyed.
  [[nodiscard]] bool idle() const noexcept { return in_flight_ == 0 && !delivering_; }
  /// Servers refused, or were silent repeatedly: a new channel, with new sockets and resolv.conf
  /// read again, may do better.
  [[nodiscard]] bool suspect() const noexcept { return suspect_; }

 private:
  struct Pending;
  struct Socket;
  struct Timer final : TimerEntry {
    explicit Timer(CaresChannel& c) noexcept : channel(c) {}
    void expired() noexcept override { channel.timer_due(); }
    CaresChannel& channel;
  };

  explicit CaresChannel(const Options& options);
  [[nodiscard]] bool init(const Options& options);

  // From c-ares; nothing of ours that could call back into it runs inside.
  static void answered(void* pending, int status, int timeouts, unsigned char* bytes,
                       int length) noexcept;
  static void socket_state(void* self, int fd, int read, int write) noexcept;

  // Into c-ares; each ends with settle().
  void socket_ready(int fd, bool readable, bool writable);
  void timer_due();
  void settle();
  void note_health(int status) noexcept;

  IoThread& io_;
  const std::size_t records_max_;
  ares_channeldata* channel_ = nullptr;
  std::map<int, std::unique_ptr<Socket>> sockets_;
  Timer timer_;
  std::vector<std::unique_ptr<Pending>> answered_;
  std::size_t in_flight_ = 0;
  int timeouts_in_a_row_ = 0;
  bool suspect_ = false;
  bool delivering_ = false;
};

}  // namespace millrace::net
