#include "resolver_fixture.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

// Search lists, and services.

TEST(Resolver, ShortNamesAreCompletedBySearchDomains) {
  DnsServer server([](const std::string& name, Family family) {
    if (name == "db.two.example" || name == "a.b" || name == "x.y.one.example")
      return both_families(name, family);
    // Exists, with an address of the other family alone: no reason to look further.
    if (name == "half.one.example") return only_v4(name, family);
    if (name == "broken.one.example") return DnsReply{.rcode = DnsReply::kServFail};
    if (name == "half.two.example" || name == "broken.two.example")
      return both_families(name, family);
    return DnsReply{.rcode = DnsReply::kNxDomain};
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options = options_for(server);
    options.search = SearchList{.domains = {"one.example", "two.example"}};
    Resolver resolver(options);
    EXPECT_TRUE(co_await resolver.resolve("db"));
    EXPECT_EQ(server.asked("db.one.example", Family::kV4), 1);
    EXPECT_EQ(server.asked("db", Family::kV4), 0);
    EXPECT_TRUE(co_await resolver.resolve("a.b"));
    EXPECT_EQ(server.asked("a.b.one.example", Family::kV4), 0) << "a dot: as it is first";
    EXPECT_TRUE(co_await resolver.resolve("x.y"));
    EXPECT_EQ(server.asked("x.y", Family::kV4), 1);
    EXPECT_EQ(list_of(co_await resolver.resolve("half")), std::vector{kV4})
        << "addresses of two hosts are never mixed";
    EXPECT_EQ(errc_of(co_await resolver.resolve("broken")), Errc::kDnsFailed)
        << "a failure is no reason to try another host";
    EXPECT_EQ(errc_of(co_await resolver.resolve("db.")), Errc::kDnsNotFound);
    EXPECT_EQ(server.asked("db", Family::kV4), 1);
    EXPECT_EQ(errc_of(co_await resolver.resolve("nowhere")), Errc::kDnsNotFound);
    EXPECT_EQ(server.asked("nowhere", Family::kV6), 1) << "at last as it is";
    const auto queries = resolver.stats().queries;
    EXPECT_TRUE(co_await resolver.resolve("db"));
    EXPECT_EQ(resolver.stats().queries, queries) << "what is not there is remembered, too";
  });
}

TEST(Resolver, ReadsTheSearchListOfResolvConf) {
  const std::string path = testing::TempDir() + "search_conf_" + std::to_string(::getpid());
  std::ofstream(path) << "nameserver 127.0.0.1\nsearch millrace.invalid\noptions ndots:2\n";
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options;
    options.resolv_conf = path;
    options.hosts_file = "/nonexistent";
    options.deadline = milliseconds(100);
    Resolver resolver(options);
    EXPECT_FALSE(co_await resolver.resolve("a.b", Family::kV4));
    EXPECT_EQ(resolver.cache().entries().back().name, "a.b.millrace.invalid");
  });
  std::filesystem::remove(path);
}

TEST(Resolver, FindsTheServersOfAService) {
  const SrvRecord first{.priority = 1, .weight = 5, .port = 8080, .target = "a.example"};
  const SrvRecord second{.priority = 2, .weight = 0, .port = 8081, .target = "b.example"};
  DnsServer server(both_families, [&](const std::string& name) {
    if (name == "_none._tcp.web.example") return DnsReply{.records = {{.data = SrvRecord{}}}};
    if (name != "_http._tcp.web.example") return DnsReply{.rcode = DnsReply::kNxDomain};
    return DnsReply{.records = {{.data = first, .ttl = 30}, {.data = second, .ttl = 20}}};
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    for (int i = 0; i < 3; ++i) {
      const TimePoint now = Clock::now();
      const Result<SrvRecords> found = co_await resolver.resolve_srv("_HTTP._tcp.web.example");
      if (!found) {
        ADD_FAILURE();
        co_return;
      }
      EXPECT_EQ(found->list, (std::vector{first, second}));
      EXPECT_LT(found->expiry - now, seconds(25));
      EXPECT_EQ(found->source, i == 0 ? DnsSource::kDns : DnsSource::kCache);
    }
    for (const char* service : {"_none._tcp.web.example", "_other._tcp.web.example", "not a name"})
      EXPECT_EQ((co_await resolver.resolve_srv(service)).error(), Error(Errc::kDnsNotFound))
          << service;
  });
  EXPECT_EQ(server.asked_for_service("_http._tcp.web.example"), 1);
}

}  // namespace
}  // namespace millrace::net
