// Passes exchanges through a proxy to origins of the test.
#pragma once

#include "fake_exchange.hpp"
#include "proxy/reverse_proxy.hpp"
#include "support/on_io.hpp"
#include "support/raw_origin.hpp"

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::test {

inline std::uint16_t unused_port() {
  RawOrigin origin([](RawOrigin::Peer&, int) {});
  return origin.port();
}

class ProxyTest : public ::testing::Test {
 protected:
  static proxy::Upstream::Options options(std::initializer_list<std::uint16_t> ports) {
    proxy::Upstream::Options o{.name = "api"};
    // In turn, so that tests know who is asked.
    o.balance = "round_robin";
    for (const std::uint16_t port : ports)
      o.targets.push_back({.origin = {.host = "127.0.0.1", .port = port}});
    return o;
  }
  std::unique_ptr<proxy::Upstream> upstream(proxy::Upstream::Options o) {
    return proxy::Upstream::make(client, std::move(o), 0).value();
  }
  /// Passes `exchange` through a proxy to one origin.
  Result<void> pass(FakeExchange& exchange, const RawOrigin& origin) {
    return pass(exchange, options({origin.port()}));
  }
  Result<void> pass(FakeExchange& exchange, proxy::Upstream::Options o) {
    Result<void> outcome = fail(Errc::kInternal);
    groups_.push_back(upstream(std::move(o)));
    proxy::ReverseProxy proxy(*groups_.back(), limits, pass_options);
    on_io(io, [&]() -> Task<void> {
      outcome = co_await proxy.handle(exchange);
      client.close_idle();
    });
    return outcome;
  }

  IoThread io{0};
  net::Resolver resolver;
  client::Client client{resolver, {}};
  proxy::UpstreamLimits limits;
  proxy::ReverseProxy::Options pass_options;
  std::vector<std::unique_ptr<proxy::Upstream>> groups_;  // outlive the exchanges that name them
};

}  // namespace millrace::test
