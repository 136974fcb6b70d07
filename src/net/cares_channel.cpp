#include "net/cares_channel.hpp"

#include "net/dns_message.hpp"

#include <cstdint>
#include <span>
#include <utility>

// Its newer versions would have us use their record interface, which 1.18 does not have.
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <sys/epoll.h>

namespace millrace::net {

namespace {

/// Timeouts in a row before the channel is suspect.
constexpr int kTimeoutsSuspect = 2;

/// ares_library_init counts without a lock: once, under the lock of a local static.
bool library_ready() {
  static const bool ready = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
  return ready;
}

Errc errc_of(int status) noexcept {
  switch (status) {
    case ARES_SUCCESS:  // without an address
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_ENONAME:
    case ARES_EBADNAME:
      return Errc::kDnsNotFound;
    case ARES_ETIMEOUT:
      return Errc::kDnsTimeout;
    case ARES_ENOMEM:
      return Errc::kOutOfMemory;
    default:
      return Errc::kDnsFailed;
  }
}

/// `bytes`: empty when there was no answer to read.
DnsOutcome outcome_of(int status, std::span<const unsigned char> bytes, DnsType type,
                      std::size_t records_max) {
  const Errc errc = errc_of(status);
  if ((status != ARES_SUCCESS && errc != Errc::kDnsNotFound) || bytes.empty())
    return {.answer = fail(errc)};
  Result<DnsMessage> message = parse_dns_message(bytes, type, records_max);
  if (!message) return {.answer = fail(message.error())};
  if (message->records.empty()) return {fail(Errc::kDnsNotFound), message->ttl, message->nxdomain};
  return {std::move(message->records), message->ttl};
}

}  // namespace

/// One query inside c-ares, and after it in the list of those to be handed out.
struct CaresChannel::Pending {
  CaresChannel& channel;
  DnsQuery& query;
  DnsType type;
  DnsOutcome outcome{.answer = fail(Errc::kDnsFailed)};
};

/// A socket of c-ares, which opens and closes it, in the thread's epoll set: level-triggered,
/// because c-ares does not always read until would-block.
struct CaresChannel::Socket final : ReadinessSet::Target {
  Socket(CaresChannel& c, int f) noexcept : channel(c), fd(f) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { channel.io_.readiness().remove(fd, *this); }

  void want(bool read, bool write) noexcept {
    const std::uint32_t events = (read ? EPOLLIN : 0U) | (write ? EPOLLOUT : 0U);
    // When the kernel refuses, nobody watches and the query times out.
    watched = channel.io_.readiness().watch(fd, *this, events, watched) || watched;
  }

  void ready(std::uint32_t events) noexcept override {
    constexpr std::uint32_t kBroken = EPOLLERR | EPOLLHUP;
    // c-ares may close the socket in there: *this is gone afterwards.
    channel.socket_ready(fd, (events & (EPOLLIN | kBroken)) != 0,
                         (events & (EPOLLOUT | kBroken)) != 0);
  }

  CaresChannel& channel;
  const int fd;
  bool watched = false;
};

CaresChannel::CaresChannel(const Options& options)
    : io_(IoThread::current()), records_max_(options.records_max), timer_(*this) {}

Result<std::unique_ptr<CaresChannel>> CaresChannel::open(const Options& options) {
  std::unique_ptr<CaresChannel> channel(new CaresChannel(options));
  if (!library_ready() || !channel->init(options)) return fail(Errc::kDnsFailed);
  return channel;
}

bool CaresChannel::init(const Options& options) {
  const bool own_servers = !options.servers.empty();
  // c-ares copies what these point to.
  std::string resolv_conf = own_servers ? "/dev/null" : options.resolv_conf;
  std::string lookups = "b";  // DNS only: the hosts file is ours
  ares_options o{};
  o.flags = ARES_FLAG_NOALIASES;
  o.timeout = static_cast<int>(options.try_timeout.count());
  o.tries = options.tries;
  o.lookups = lookups.data();
  o.resolvconf_path = resolv_conf.data();
  o.sock_state_cb = &socket_state;
  o.sock_state_cb_data = this;
  int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
             ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB;
  mask |= ARES_OPT_DOMAINS;  // none: the search list is ours
#ifdef ARES_OPT_QUERY_CACHE
  o.qcache_max_ttl = 0;  // since 1.31; the cache is ours
  mask |= ARES_OPT_QUERY_CACHE;
#endif
  if (ares_init_options(&channel_, &o, mask) != ARES_SUCCESS) return false;
  return !own_servers ||
         ares_set_servers_ports_csv(channel_, options.servers.c_str()) == ARES_SUCCESS;
}

CaresChannel::~CaresChannel() {
  // Its callbacks put the lost queries into answered_, which dies with us.
  if (channel_ != nullptr) ares_destroy(channel_);
}

void CaresChannel::query(const std::string& name, DnsType type, DnsQuery& query) {
  constexpr int kClassIn = 1;
  ++in_flight_;
  auto* pending = new Pending{*this, query, type};  // owned by c-ares until answered
  ares_query(channel_, name.c_str(), kClassIn, static_cast<int>(type), &answered, pending);
  settle();
}

void CaresChannel::answered(void* arg, int status, int, unsigned char* bytes, int length) noexcept {
  std::unique_ptr<Pending> pending(static_cast<Pending*>(arg));
  CaresChannel& self = pending->channel;
  self.note_health(status);
  const std::size_t size = bytes == nullptr || length < 0 ? 0 : static_cast<std::size_t>(length);
  pending->outcome = outcome_of(status, {bytes, size}, pending->type, self.records_max_);
  self.answered_.push_back(std::move(pending));
}

void CaresChannel::socket_state(void* arg, int fd, int read, int write) noexcept {
  auto& self = *static_cast<CaresChannel*>(arg);
  if (read == 0 && write == 0) {
    self.sockets_.erase(fd);
    return;
  }
  std::unique_ptr<Socket>& socket = self.sockets_[fd];
  if (!socket) socket = std::make_unique<Socket>(self, fd);
  socket->want(read != 0, write != 0);
}

void CaresChannel::socket_ready(int fd, bool readable, bool writable) {
  ares_process_fd(channel_, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
  settle();
}

void CaresChannel::timer_due() {
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  settle();
}

void CaresChannel::settle() {
  timeval left{};
  if (ares_timeout(channel_, nullptr, &left) == nullptr) {
    io_.disarm(timer_);
  } else {
    // c-ares rounds down to milliseconds: without one more we would come too early and spin.
    io_.arm(timer_, Clock::now() + std::chrono::seconds(left.tv_sec) +
                        std::chrono::microseconds(left.tv_usec) + std::chrono::milliseconds(1));
  }
  if (std::exchange(delivering_, true)) return;  // the loop below, further up the stack, goes on
  while (!answered_.empty()) {
    const std::unique_ptr<Pending> pending = std::move(answered_.back());
    answered_.pop_back();
    --in_flight_;
    pending->query.query_done(std::move(pending->outcome));
  }
  delivering_ = false;
}

void CaresChannel::note_health(int status) noexcept {
  timeouts_in_a_row_ = status == ARES_ETIMEOUT ? timeouts_in_a_row_ + 1 : 0;
  if (status == ARES_ECONNREFUSED || timeouts_in_a_row_ >= kTimeoutsSuspect) suspect_ = true;
}

}  // namespace millrace::net
