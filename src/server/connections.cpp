#include "server/connections.hpp"

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "h1/server_connection.hpp"
#include "h2/server_connection.hpp"
#include "net/listener.hpp"
#include "net/tls_session.hpp"
#include "server/certificate_judge.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>
#include <unistd.h>

namespace millrace::server {
namespace {

std::string text_of(const net::SocketAddress& address) {
  return address.is_unix() ? "unix" : address.ip().to_string();
}

}  // namespace

bool Connections::trusted(const net::SocketAddress& peer) const noexcept {
  if (peer.is_unix())
    return true;  // whoever may open the socket file is on this machine by our leave
  return std::ranges::any_of(options_.trusted_proxies,
                             [&](const net::Network& n) { return n.contains(peer.ip()); });
}

Connections::Identity::Identity(const ConnectionEnds& ends, bool trusted_proxy)
    : texts(text_of(ends.peer) + text_of(ends.local)) {
  const net::SocketAddress& peer = ends.peer;
  const std::size_t peer_bytes = text_of(peer).size();
  info = {.address = std::string_view(texts).substr(0, peer_bytes),
          .port = peer.port(),
          .local_address = std::string_view(texts).substr(peer_bytes),
          .local_port = ends.local.port(),
          .loopback = peer.is_unix() || peer.ip().is_loopback(),
          .trusted_proxy = trusted_proxy};
}

Connections::ListenerId Connections::listen(ListenerShare share) {
  Listening& added = listening_.emplace_back();
  added.id = ++last_id_;
  added.share = std::move(share);
  serving_.spawn(serve(added));
  return added.id;
}

Connections::Listening& Connections::find(ListenerId id) noexcept {
  return *std::ranges::find(listening_, id, &Listening::id);
}

void Connections::change(ListenerId id, ListenerShare share) {
  ListenerShare& current = find(id).share;
  share.fd = current.fd;
  share.address = current.address;
  share.shared = current.shared;
  current = std::move(share);
}

void Connections::change(Options options) {
  options_ = std::move(options);
  below_limit_.set();
}

Task<void> Connections::retire(ListenerId id, Duration patience) {
  Listening& listening = find(id);
  const auto closed = listening.closed;
  listening.patience = patience;
  listening.accepting.cancel(Errc::kShuttingDown);
  (void)co_await closed->wait();
}

Task<void> Connections::serve(Listening& listening) {
  co_await in_scope(listening.accepting, accept_loop(listening));
  listening.closed->set();
  DeadlineScope limit(Errc::kShuttingDown, listening.patience.value_or(Duration::max()));
  co_await in_scope(limit.scope(), join(listening.connections));
  std::erase_if(listening_, [&](const Listening& l) { return &l == &listening; });
}

Connections::Accepted Connections::accept_one(int socket, Listening& listening) {
  const ListenerShare& share = listening.share;
  sockaddr_storage storage;
  socklen_t length = sizeof(storage);
  const int fd = ::accept4(socket, reinterpret_cast<sockaddr*>(&storage), &length,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    const auto peer = net::SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&storage), length);
    const net::SocketAddress from = peer.value_or(net::SocketAddress()).unmapped();
    ++open_;
    listening.connections.spawn(connection(
        fd, std::make_unique<ConnectionEnds>(ConnectionEnds{.peer = from, .local = share.address}),
        share));
    return Accepted::kSome;
  }
  switch (errno) {
    case EAGAIN:
      return Accepted::kNone;
    // The connection died in the queue, of its own network's errors: accept(2) says to treat them
    // so.
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return Accepted::kSome;
    default:  // EMFILE, ENFILE, ENOBUFS, ENOMEM, or worse: never a reason to spin
      return Accepted::kExhausted;
  }
}

Task<void> Connections::accept_loop(Listening& listening) {
  const net::SocketAddress address = listening.share.address;
  Descriptor socket(listening.share.fd);
  Scope* scope = co_await this_scope();
  int burst = 0;
  while (!scope->cancelled()) {
    if (open_ >= options_.connections_max) {
      below_limit_.reset();
      if (!co_await below_limit_.wait()) break;
      continue;
    }
    const Accepted got = accept_one(socket.fd(), listening);
    if (got == Accepted::kExhausted) {
      if (!co_await sleep_for(kExhaustedPause)) break;
    } else if (got == Accepted::kNone) {
      burst = 0;
      if (!co_await socket.readable()) break;
    } else if (++burst == kAcceptsPerTurnMax) {
      burst = 0;
      co_await yield_now();
    }
  }
  if (listening.share.shared) co_return;
  net::stop_new_connections(address, socket.fd());
  Scope last_ones;
  co_await shielded(last_ones, accept_queued(socket, listening));
}

Task<void> Connections::accept_queued(Descriptor& socket, Listening& listening) {
  socket.set_deadline(Direction::kRead, kHandshakeGrace, Errc::kShuttingDown);
  for (;;) {
    const Accepted got = accept_one(socket.fd(), listening);
    if (got == Accepted::kSome) continue;
    if (listening.share.address.is_unix()) co_return;
    if (got == Accepted::kExhausted) (void)co_await sleep_for(kExhaustedPause);
    if (!co_await socket.readable()) co_return;
  }
}

// An idle connection is its coroutines' frames. What most connections do not need, TLS and HTTP/2,
// has frames of its own.
Task<void> Connections::connection(int fd, std::unique_ptr<ConnectionEnds> ends,
                                   const ListenerShare& share) {
  net::Stream stream(fd);
  const bool counted = options_.counted;
  if (counted) {
    metrics::add(metrics::Metric::kConnectionsAccepted);
    metrics::add(metrics::Metric::kConnectionsActive);
  }
  if (options_.proxy_protocol == config::ProxyProtocol::kOff || !share.proxy_protocol ||
      co_await read_proxy_header(stream, proxy_header_rule(*ends, share), *ends)) {
    const auto who = std::make_unique<Identity>(*ends, trusted(ends->peer));
    ends.reset();
    if (share.tls != nullptr) {
      co_await converse_tls(std::move(stream), *who, share);
    } else {
      auto http2 = co_await h1::serve_connection(std::move(stream), who->info, pipeline_of(share));
      if (http2)
        co_await h2::serve_connection(std::move(http2->stream), std::move(http2->received),
                                      who->info, pipeline_of(share));
    }
  }
  if (counted) metrics::subtract(metrics::Metric::kConnectionsActive);
  --open_;
  below_limit_.set();
}

ProxyHeaderRule Connections::proxy_header_rule(const ConnectionEnds& ends,
                                               const ListenerShare& share) const noexcept {
  return {.wanted = options_.proxy_protocol,
          .trusted = trusted(ends.peer),
          .patience = pipeline_of(share).limits().head_timeout};
}

Task<void> Connections::converse_tls(net::Stream stream, Identity& who,
                                     const ListenerShare& share) {
  if (const auto shaken = co_await handshake(stream, share); !shaken) {
    log::event(LogLevel::kDebug, "tls_handshake_failed",
               {{"client", who.info.address},
                {"cause", shaken.error().info().code},
                {"error", stream.tls_failure()}});
    co_return;
  }
  const net::TlsSession session(stream.tls());
  CertificateJudge judge(session);
  who.info.client_subject = session.client_subject();
  who.info.served = &judge;
  if (stream.alpn() == "h2")
    co_await h2::serve_connection(std::move(stream), {}, who.info, pipeline_of(share));
  else
    (void)co_await h1::serve_connection(std::move(stream), who.info, pipeline_of(share));
}

Task<Result<void>> Connections::handshake(net::Stream& stream, const ListenerShare& share) {
  stream.set_deadline(Direction::kRead, share.handshake_timeout, Errc::kTlsTimeout);
  stream.set_deadline(Direction::kWrite, share.handshake_timeout, Errc::kTlsTimeout);
  SSL* ssl = share.tls->make_ssl();
  if (ssl == nullptr) co_return fail(Errc::kOutOfMemory);
  auto done = co_await stream.handshake(ssl, &handshakes_);
  stream.clear_deadline(Direction::kRead);
  stream.clear_deadline(Direction::kWrite);
  co_return done;
}

Task<void> Connections::stop_accepting() {
  std::vector<std::shared_ptr<Event>> closing;
  for (Listening& listening : listening_) {
    closing.push_back(listening.closed);
    listening.accepting.cancel(Errc::kShuttingDown);
  }
  for (const auto& closed : closing) (void)co_await closed->wait();
}

Task<void> Connections::finish(Duration deadline) {
  DeadlineScope limit(Errc::kShuttingDown, deadline);
  co_await in_scope(limit.scope(), join(serving_));
}

void Connections::cancel() noexcept {
  for (Listening& listening : listening_) listening.connections.cancel(Errc::kShuttingDown);
}

}  // namespace millrace::server
