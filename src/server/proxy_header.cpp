#include "server/proxy_header.hpp"

#include "base/log.hpp"
#include "net/proxy_protocol.hpp"

#include <array>
#include <cerrno>

#include <poll.h>
#include <sys/socket.h>

namespace millrace::server {
namespace {

using config::ProxyProtocol;
using net::ProxyHeader;
using State = net::ProxyHeader::State;

/// What has come so far, judged. The bytes stay in the socket.
Result<ProxyHeader> peek(net::Stream& stream) noexcept {
  std::array<char, net::kProxyHeaderBytesMax> bytes;
  const ssize_t n = ::recv(stream.fd(), bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
  if (n == 0) return fail(Errc::kClientGone);
  if (n < 0 && errno != EAGAIN && errno != EINTR) return fail(Errc::kClientGone, errno);
  return net::parse_proxy_header({bytes.data(), static_cast<std::size_t>(n < 0 ? 0 : n)});
}

bool take(net::Stream& stream, std::size_t size) noexcept {
  std::array<char, net::kProxyHeaderBytesMax> bytes;
  return ::recv(stream.fd(), bytes.data(), size, MSG_DONTWAIT) == static_cast<ssize_t>(size);
}

/// The client will send no more: waiting would end at once, again and again.
bool sending_ended(const net::Stream& stream) noexcept {
  pollfd p{.fd = stream.fd(), .events = POLLRDHUP, .revents = 0};
  return ::poll(&p, 1, 0) != 0;
}

/// Never kNeedMore.
Task<Result<ProxyHeader>> await_header(net::Stream& stream) {
  for (bool ended = false;;) {
    const auto header = peek(stream);
    if (!header || header->state != State::kNeedMore) co_return header;
    if (ended) co_return fail(Errc::kClientGone);
    ended = sending_ended(stream);
    if (ended) continue;  // what came together with the end may have come after the look
    stream.descriptor().drained(Direction::kRead);  // only more than what was seen shall wake us
    if (auto ready = co_await stream.wait(Direction::kRead); !ready) co_return fail(ready.error());
  }
}

/// What the operator should know; empty for what is nobody's fault, or nobody's business.
std::string_view reason_of(const Result<ProxyHeader>& header, bool required) noexcept {
  if (!header) {
    const bool late = required && header.error().is(Errc::kHeadTimeout);
    return late ? "not complete within server.head_timeout" : "";
  }
  return header->state == State::kNone ? "there is none" : "malformed";
}

void log_refused(const net::SocketAddress& peer, std::string_view reason) {
  if (reason.empty()) return;
  log::event(LogLevel::kInfo, "proxy_header_refused",
             {{"peer", peer.to_string()}, {"reason", reason}});
}

}  // namespace

Task<bool> read_proxy_header(net::Stream& stream, ProxyHeaderRule rule, ConnectionEnds& ends) {
  const bool required = rule.wanted == ProxyProtocol::kRequired;
  if (rule.wanted == ProxyProtocol::kOff) co_return true;
  if (!rule.trusted) {
    if (required) log_refused(ends.peer, "the peer is not in server.trusted_proxies");
    co_return !required;
  }
  stream.set_deadline(Direction::kRead, rule.patience, Errc::kHeadTimeout);
  const auto header = co_await await_header(stream);
  stream.clear_deadline(Direction::kRead);
  if (header && header->state == State::kNone && !required) co_return true;
  if (!header || header->state != State::kDone) {
    log_refused(ends.peer, reason_of(header, required));
    co_return false;
  }
  if (header->addresses)
    ends = {header->addresses->source.unmapped(), header->addresses->destination.unmapped()};
  co_return take(stream, header->used);
}

}  // namespace millrace::server
