// What the resolver's tests have in common: a DNS server on loopback and its scripts.
#pragma once

#include "net/resolver.hpp"
#include "support/dns_server.hpp"
#include "support/io_test.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace millrace::net {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::DnsReply;
using test::DnsServer;
using test::run_on_io_thread;

inline const IpAddress kV4 = *IpAddress::parse("192.0.2.1");
inline const IpAddress kV6 = *IpAddress::parse("2001:db8::1");

inline DnsReply both_families(const std::string&, Family family) {
  return {.records = {{.data = family == Family::kV4 ? kV4 : kV6}}};
}
inline DnsReply only_v4(const std::string&, Family family) {
  if (family == Family::kV6) return {};
  return {.records = {{.data = kV4}}};
}
inline DnsReply nothing(const std::string&, Family) {
  return {.silent = true};
}

inline Resolver::Options options_for(const DnsServer& server) {
  Resolver::Options options;
  options.servers = server.address();
  options.hosts_file = "/nonexistent";
  return options;
}

/// Options of a resolver that must not need DNS: nobody listens there.
inline Resolver::Options no_dns() {
  Resolver::Options options;
  options.servers = "127.0.0.1:1";
  options.hosts_file = "/nonexistent";
  options.deadline = milliseconds(300);
  return options;
}

inline std::vector<IpAddress> list_of(const Result<Addresses>& r) {
  return r ? r->list : std::vector<IpAddress>{};
}

inline Errc errc_of(const Result<Addresses>& r) {
  return r ? Errc::kCount_ : r.error().errc;
}

}  // namespace millrace::net
