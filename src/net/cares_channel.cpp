#include "net/cares_channel.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <ares.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <netinet/in.h>

namespace millrace::net {

namespace {

using AsioDescriptor =
    boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

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

std::vector<IpAddress> addresses_of(const ares_addrinfo& info, std::size_t addresses_max) {
  std::vector<IpAddress> out;
  for (const ares_addrinfo_node* n = info.nodes; n != nullptr; n = n->ai_next) {
    if (out.size() >= addresses_max) break;
    const auto address = SocketAddress::from_raw(n->ai_addr, n->ai_addrlen);
    if (address && !address->is_unix()) out.push_back(address->ip());
  }
  return out;
}

std::chrono::seconds ttl_of(const ares_addrinfo& info) noexcept {
  int ttl = std::numeric_limits<int>::max();
  for (const ares_addrinfo_node* n = info.nodes; n != nullptr; n = n->ai_next)
    ttl = std::min(ttl, n->ai_ttl);
  for (const ares_addrinfo_cname* c = info.cnames; c != nullptr; c = c->next)
    ttl = std::min(ttl, c->ttl);
  return std::chrono::seconds(ttl);
}

}  // namespace

/// One query inside c-ares, and after it in the list of those to be handed out.
struct CaresChannel::Pending {
  CaresChannel& channel;
  DnsQuery& query;
  DnsAnswer answer;
  std::chrono::seconds ttl{0};
};

/// A socket of c-ares in the thread's epoll set. Its waits keep it alive and find it closed when
/// c-ares has given up the descriptor meanwhile.
struct CaresChannel::Socket : std::enable_shared_from_this<CaresChannel::Socket> {
  Socket(CaresChannel& c, int fd) : channel(c), descriptor(c.io_.context().get_executor()) {
    boost::system::error_code ec;
    descriptor.assign(fd, ec);
    open = !ec;  // else nobody watches and the query times out
  }

  void wait(bool for_write) {
    if (!open || !wanted[for_write] || std::exchange(waiting[for_write], true)) return;
    descriptor.async_wait(for_write ? AsioDescriptor::wait_write : AsioDescriptor::wait_read,
                          [self = shared_from_this(), for_write](boost::system::error_code) {
                            self->waiting[for_write] = false;
                            if (self->open) self->ready(for_write);
                          });
  }

  void ready(bool for_write) {
    const IoThread::Turn turn(channel.io_);
    channel.socket_ready(descriptor.native_handle(), for_write);
    wait(for_write);
  }

  /// The descriptor is c-ares's to close, and it is about to.
  void release() noexcept {
    if (std::exchange(open, false)) descriptor.release();
  }

  CaresChannel& channel;
  AsioDescriptor descriptor;
  bool open = false;
  std::array<bool, 2> wanted{};
  std::array<bool, 2> waiting{};
};

CaresChannel::CaresChannel(const Options& options)
    : io_(IoThread::current()), addresses_max_(options.addresses_max), timer_(*this) {}

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
  if (own_servers) mask |= ARES_OPT_DOMAINS;  // none of them
  if (ares_init_options(&channel_, &o, mask) != ARES_SUCCESS) return false;
  return !own_servers ||
         ares_set_servers_ports_csv(channel_, options.servers.c_str()) == ARES_SUCCESS;
}

CaresChannel::~CaresChannel() {
  // Its callbacks put the lost queries into answered_, which dies with us.
  if (channel_ != nullptr) ares_destroy(channel_);
}

void CaresChannel::query(const std::string& name, Family family, DnsQuery& query) {
  ares_addrinfo_hints hints{};
  hints.ai_flags = ARES_AI_NOSORT;
  hints.ai_family = family == Family::kV4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  ++in_flight_;
  auto* pending =
      new Pending{*this, query, fail(Errc::kDnsFailed)};  // owned by c-ares until answered
  ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &answered, pending);
  settle();
}

void CaresChannel::answered(void* arg, int status, int, ares_addrinfo* info) noexcept {
  std::unique_ptr<Pending> pending(static_cast<Pending*>(arg));
  const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owner(info,
                                                                           &ares_freeaddrinfo);
  CaresChannel& self = pending->channel;
  self.note_health(status);
  pending->answer = fail(errc_of(status));
  if (status == ARES_SUCCESS && info != nullptr) {
    std::vector<IpAddress> list = addresses_of(*info, self.addresses_max_);
    if (!list.empty()) pending->answer = std::move(list);
    pending->ttl = ttl_of(*info);
  }
  self.answered_.push_back(std::move(pending));
}

void CaresChannel::socket_state(void* arg, int fd, int read, int write) noexcept {
  auto& self = *static_cast<CaresChannel*>(arg);
  if (read == 0 && write == 0) {
    const auto it = self.sockets_.find(fd);
    if (it == self.sockets_.end()) return;
    it->second->release();
    self.sockets_.erase(it);
    return;
  }
  std::shared_ptr<Socket>& socket = self.sockets_[fd];
  if (!socket) socket = std::make_shared<Socket>(self, fd);
  socket->wanted = {read != 0, write != 0};
  socket->wait(false);
  socket->wait(true);
}

void CaresChannel::socket_ready(int fd, bool writable) {
  ares_process_fd(channel_, writable ? ARES_SOCKET_BAD : fd, writable ? fd : ARES_SOCKET_BAD);
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
    pending->query.query_done(std::move(pending->answer), pending->ttl);
  }
  delivering_ = false;
}

void CaresChannel::note_health(int status) noexcept {
  timeouts_in_a_row_ = status == ARES_ETIMEOUT ? timeouts_in_a_row_ + 1 : 0;
  if (status == ARES_ECONNREFUSED || timeouts_in_a_row_ >= kTimeoutsSuspect) suspect_ = true;
}

}  // namespace millrace::net
