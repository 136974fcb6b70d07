#include "app/dns_inspector.hpp"

#include "runtime/wait_queue.hpp"

#include <chrono>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

namespace millrace::app {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);

using Visit = std::function<DnsStatus(net::Resolver&, unsigned thread)>;

/// Shared by the visits, which may end when nobody waits any more.
struct Gathering {
  Event complete;
  DnsStatus sum;
  std::size_t missing = 0;
};

std::string text_of(const net::SrvRecord& r) {
  return std::to_string(r.priority) + ' ' + std::to_string(r.weight) + ' ' +
         std::to_string(r.port) + ' ' + r.target;
}

std::string_view state_of(const net::DnsCache::Entry& entry, TimePoint now) noexcept {
  if (entry.answer) return entry.stale(now) ? "stale" : "fresh";
  return entry.answer.error().is(Errc::kDnsNotFound) ? "negative" : "failed";
}

DnsEntryStatus status_of(const net::DnsCache::Entry& entry, unsigned thread, TimePoint now) {
  DnsEntryStatus out{
      .thread = thread,
      .name = entry.name,
      .type = net::name_of(entry.type),
      .records = {},
      .state = state_of(entry, now),
      .ttl = std::chrono::duration_cast<std::chrono::milliseconds>(entry.expiry - now),
      .nxdomain = entry.nxdomain,
      .refreshing = entry.refreshing,
      .hits = entry.hits};
  if (!entry.answer) return out;
  for (const net::IpAddress& a : entry.answer->addresses) out.records.push_back(a.to_string());
  for (const net::SrvRecord& r : entry.answer->services) out.records.push_back(text_of(r));
  return out;
}

DnsStatus status_of(const net::Resolver& resolver, unsigned thread, std::size_t entries_max) {
  const net::Resolver::Stats stats = resolver.stats();
  DnsStatus out{.threads = 1,
                .hits = stats.hits,
                .misses = stats.misses,
                .stale = stats.stale,
                .queries = stats.queries,
                .failures = stats.failures,
                .refreshes = stats.refreshes,
                .cached = stats.entries,
                .in_flight = stats.in_flight,
                .queued = stats.queued,
                .entries = {}};
  const TimePoint now = Clock::now();
  for (const net::DnsCache::Entry& entry : resolver.cache().entries()) {
    if (out.entries.size() == entries_max) break;
    // Nobody gets these any more; they leave when somebody asks, or when room is needed.
    if (!entry.answer && entry.stale(now)) continue;
    out.entries.push_back(status_of(entry, thread, now));
  }
  return out;
}

void add(DnsStatus& sum, DnsStatus part) {
  sum.threads += part.threads;
  sum.hits += part.hits;
  sum.misses += part.misses;
  sum.stale += part.stale;
  sum.queries += part.queries;
  sum.failures += part.failures;
  sum.refreshes += part.refreshes;
  sum.cached += part.cached;
  sum.in_flight += part.in_flight;
  sum.queued += part.queued;
  sum.entries.insert(sum.entries.end(), std::make_move_iterator(part.entries.begin()),
                     std::make_move_iterator(part.entries.end()));
}

Task<Result<void>> wait_for(Event& event) {
  co_return co_await event.wait();
}

Task<DnsStatus> visit_all(IoThreads& threads, IoThread& control, ResolverOf resolver_of,
                          Visit visit) {
  const auto gathering = std::make_shared<Gathering>();
  gathering->missing = threads.size();
  for (std::size_t i = 0; i < threads.size(); ++i)
    threads[i].post([i, gathering, &control, resolver_of, visit] {
      net::Resolver* resolver = resolver_of(i);
      if (resolver == nullptr) return;
      control.post([gathering, part = visit(*resolver, static_cast<unsigned>(i))]() mutable {
        add(gathering->sum, std::move(part));
        if (--gathering->missing == 0) gathering->complete.set();
      });
    });
  DeadlineScope limit(Errc::kDeadline, kPatience);
  (void)co_await in_scope(limit.scope(), wait_for(gathering->complete));
  gathering->sum.threads_silent = static_cast<unsigned>(gathering->missing);
  co_return gathering->sum;
}

}  // namespace

Task<DnsStatus> gather_dns(IoThreads& threads, IoThread& control, ResolverOf resolver_of) {
  const std::size_t entries_max = DnsStatus::kEntriesMax / threads.size();
  return visit_all(threads, control, std::move(resolver_of),
                   [entries_max](const net::Resolver& resolver, unsigned thread) {
                     return status_of(resolver, thread, entries_max);
                   });
}

Task<unsigned> flush_dns(IoThreads& threads, IoThread& control, ResolverOf resolver_of) {
  const DnsStatus done = co_await visit_all(threads, control, std::move(resolver_of),
                                            [](net::Resolver& resolver, unsigned) {
                                              resolver.flush();
                                              return DnsStatus{.threads = 1};
                                            });
  co_return done.threads;
}

}  // namespace millrace::app
