// Looks into the io threads' DNS caches from the control thread: each thread tells of its own, none
// is waited for for longer than a second.
//
// Thread rule: the control thread. Outlives what it awaits.
#pragma once

#include "millrace/dns_status.hpp"
#include "net/resolver.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/io_threads.hpp"
#include "runtime/task.hpp"

#include <functional>

namespace millrace::app {

/// The resolver of an io thread, called on that thread; nullptr: it has none any more.
using ResolverOf = std::function<net::Resolver*(std::size_t thread)>;

[[nodiscard]] Task<DnsStatus> gather_dns(IoThreads& threads, IoThread& control,
                                         ResolverOf resolver_of);
/// Every thread forgets what it knows. How many have done so.
[[nodiscard]] Task<unsigned> flush_dns(IoThreads& threads, IoThread& control,
                                       ResolverOf resolver_of);

}  // namespace millrace::app
