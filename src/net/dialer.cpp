#include "net/dialer.hpp"

#include "runtime/task_group.hpp"
#include "runtime/wait_queue.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::net {
namespace {

// A unix listener whose queue is full gives EAGAIN and no event when there is room again.
constexpr auto kUnixRetry = std::chrono::milliseconds(5);

Error connect_error(int os_error) noexcept {
  switch (os_error) {
    case ECONNREFUSED:
    case ENOENT:  // a unix socket that is not there: nobody listens
      return {Errc::kConnectRefused, os_error};
    case ETIMEDOUT:
      return {Errc::kConnectTimeout, os_error};
    default:
      return {Errc::kConnectFailed, os_error};
  }
}

/// A socket that is not a Descriptor yet.
class SocketFd {
 public:
  explicit SocketFd(int family) noexcept
      : fd_(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  SocketFd(const SocketFd&) = delete;
  SocketFd& operator=(const SocketFd&) = delete;
  ~SocketFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Result<void> connect_outcome(int fd) noexcept {
  int os_error = 0;
  socklen_t length = sizeof os_error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &os_error, &length) != 0) os_error = errno;
  if (os_error != 0) return fail(connect_error(os_error));
  return {};
}

Result<void> check_peer(int fd, const AddressGuard* guard) noexcept {
  if (guard == nullptr) return {};
  RawSocketAddress raw;
  raw.length = sizeof raw.storage;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&raw.storage), &raw.length) != 0)
    return fail(connect_error(errno));
  const auto peer = SocketAddress::from_raw(raw.get(), raw.length);
  if (!peer) return fail(Errc::kUrlRefused);
  return guard->check_peer(*peer);
}

// The connect call alone; retried where nothing will tell when to.
Task<Result<void>> start_connect(int fd, const SocketAddress& address) {
  const RawSocketAddress raw = address.to_raw();
  for (;;) {
    if (::connect(fd, raw.get(), raw.length) == 0) co_return Result<void>{};
    if (errno == EINPROGRESS || errno == EINTR) co_return Result<void>{};
    if (errno != EAGAIN || !address.is_unix()) co_return fail(connect_error(errno));
    if (const auto slept = co_await sleep_for(kUnixRetry); !slept) co_return slept;
  }
}

Task<Result<Stream>> connect_one(SocketAddress address, const AddressGuard* guard) {
  SocketFd socket(address.native_family());
  if (socket.get() < 0) co_return fail(connect_error(errno));
  if (!address.is_unix()) {
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (const auto begun = co_await start_connect(socket.get(), address); !begun)
    co_return fail(begun.error());

  Descriptor descriptor(socket.release());
  if (!address.is_unix()) {
    if (const auto ready = co_await descriptor.writable(); !ready) co_return fail(ready.error());
    if (const auto connected = connect_outcome(descriptor.fd()); !connected)
      co_return fail(connected.error());
  }
  if (const auto peer = check_peer(descriptor.fd(), guard); !peer) co_return fail(peer.error());
  co_return Stream(std::move(descriptor));
}

/// Several attempts at once.
struct Race {
  TaskGroup attempts;
  Event changed;  // an attempt ended
  std::optional<Stream> winner;
  SocketAddress winner_address;
  Error last = Errc::kConnectFailed;
  std::size_t running = 0;
  DialMemory* memory = nullptr;
  std::vector<SocketAddress> unheard;  // started and silent so far, in that order
};

bool is_of_the_address(const Error& error) noexcept {
  return error.is(Errc::kConnectRefused) || error.is(Errc::kConnectFailed) ||
         error.is(Errc::kConnectTimeout);
}

Task<void> attempt(Race& race, SocketAddress address, const AddressGuard* guard) {
  Result<Stream> stream = co_await connect_one(address, guard);
  --race.running;
  race.changed.set();
  if (!stream && stream.error().is(Errc::kCancelled)) co_return;
  if (!stream) {
    std::erase(race.unheard, address);
    if (!race.winner) race.last = stream.error();
    if (race.memory != nullptr && is_of_the_address(stream.error()))
      race.memory->failed(address, Clock::now());
    co_return;
  }
  if (race.winner) co_return;
  race.winner = std::move(*stream);
  race.winner_address = address;
}

/// The winner, and those that it overtook or that the time was up for. Whoever was started after
/// it has not had its chance.
void learn(const Race& race, const Result<void>& raced) {
  if (race.memory == nullptr) return;
  const TimePoint now = Clock::now();
  if (race.winner) race.memory->won(race.winner_address, now);
  if (!race.winner && !(!raced && raced.error().is(Errc::kConnectTimeout))) return;
  for (const SocketAddress& address : race.unheard) {
    if (race.winner && address == race.winner_address) return;
    race.memory->failed(address, now);
  }
}

Task<Result<void>> wait_for(Event& event) {
  co_return co_await event.wait();
}

// Until an attempt ends, or the stagger has passed while there are more addresses. False:
// cancelled.
Task<Result<void>> wait_for_change(Race& race, Duration stagger) {
  DeadlineScope limit(Errc::kDeadline, stagger);
  const Result<void> changed = co_await in_scope(limit.scope(), wait_for(race.changed));
  race.changed.reset();
  if (!changed && !limit.passed()) co_return changed;
  co_return Result<void>{};
}

Task<Result<void>> run_race(Race& race, std::span<const SocketAddress> addresses,
                            const DialOptions& options) {
  std::size_t next = 0;
  while (!race.winner) {
    const bool more = next < addresses.size();
    if (!more && race.running == 0) co_return fail(race.last);
    if (more) {
      ++race.running;
      race.unheard.push_back(addresses[next]);
      race.attempts.spawn(attempt(race, addresses[next++], options.guard));
    }
    const Duration patience = next < addresses.size() ? options.stagger : Duration::max();
    if (const auto ok = co_await wait_for_change(race, patience); !ok) co_return ok;
  }
  co_return Result<void>{};
}

Task<Result<Stream>> connect_any(std::span<const SocketAddress> addresses,
                                 const DialOptions& options, SocketAddress& peer) {
  peer = addresses.front();
  if (addresses.size() == 1) co_return co_await connect_one(peer, options.guard);
  Race race;
  race.memory = options.memory;
  const Result<void> raced = co_await run_race(race, addresses, options);
  learn(race, raced);
  race.attempts.cancel();
  co_await race.attempts.join();
  if (!race.winner) co_return fail(raced ? race.last : raced.error());
  peer = race.winner_address;
  co_return std::move(*race.winner);
}

}  // namespace

Task<Result<void>> secure(Stream& stream, const DialOptions& options, DialReport& report) {
  SSL* ssl = options.tls->make_ssl(options.tls_name);
  if (ssl == nullptr) co_return fail(Errc::kTlsFailed);
  DeadlineScope limit(Errc::kTlsTimeout, options.tls_timeout);
  const Result<void> done = co_await in_scope(limit.scope(), stream.handshake(ssl));
  if (!done && done.error().is(Errc::kTlsFailed)) report.tls_cause = handshake_failure(ssl);
  co_return done;
}

Task<Result<Stream>> dial(std::span<const SocketAddress> addresses, const DialOptions& options,
                          DialReport& report) {
  if (addresses.empty()) co_return fail(Errc::kConnectFailed);
  std::vector<SocketAddress> ordered;
  if (options.memory != nullptr && addresses.size() > 1) {
    ordered.assign(addresses.begin(), addresses.end());
    options.memory->order(ordered, Clock::now());
    addresses = ordered;
  }
  addresses = addresses.first(std::min(addresses.size(), options.attempts_max));
  DeadlineScope limit(Errc::kConnectTimeout, options.connect_timeout);
  Result<Stream> stream =
      co_await in_scope(limit.scope(), connect_any(addresses, options, report.peer));
  report.connected = Clock::now();
  if (!stream || options.tls == nullptr) co_return stream;
  if (const auto secured = co_await secure(*stream, options, report); !secured)
    co_return fail(secured.error());
  co_return stream;
}

}  // namespace millrace::net
