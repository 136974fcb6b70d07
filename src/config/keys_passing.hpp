// Keys of how a request passes to an upstream: retries, idle connections, the
// queue, the client that goes away. Their tables are in keys_passing.cpp. Private to src/config.
#pragma once

#include "config/codec.hpp"

#include <span>

namespace millrace::config {

template <>
std::span<const Choice<ClientGone>> choices();
template <>
std::span<const Field<Retry>> fields();
template <>
std::span<const Field<RouteRetry>> fields();
template <>
std::span<const Field<KeepAlive>> fields();
template <>
std::span<const Field<Queue>> fields();

}  // namespace millrace::config
