// The order in which to try the servers of a service (RFC 2782).
//
// Pure function: whoever calls brings the randomness. Thread rule: any.
#pragma once

#include "net/dns_message.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace millrace::net {

/// A number between 0 and `bound`, both included, each as likely.
using RandomUpTo = std::function<std::uint32_t(std::uint32_t bound)>;

/// By priority, the lowest number first; within one priority at random, by weight. Those of weight
/// 0 have a small chance to come before others.
void order_srv(std::vector<SrvRecord>& records, const RandomUpTo& random);

}  // namespace millrace::net
