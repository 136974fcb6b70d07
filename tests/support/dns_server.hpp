// A DNS server for tests: UDP and TCP on one loopback port, answers by script, counts what it is
// asked.
//
// It runs on a thread of its own; the script is called there, one question at a time.
#pragma once

#include "net/address.hpp"
#include "net/dns_message.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::test {

struct DnsRecord {
  // An address, the target of a CNAME, or a server of a service.
  std::variant<net::IpAddress, std::string, net::SrvRecord> data;
  std::uint32_t ttl = 60;
  std::string owner;  // empty: the name that was asked for
};

struct DnsSoa {
  std::uint32_t ttl = 60;
  std::uint32_t minimum = 60;
};

struct DnsReply {
  static constexpr int kNoError = 0, kServFail = 2, kNxDomain = 3, kRefused = 5;

  std::vector<DnsRecord> records;
  int rcode = kNoError;
  std::optional<DnsSoa> soa{};      // in the authority section
  bool silent = false;              // say nothing
  bool truncated_over_udp = false;  // the records come over TCP only
};

class DnsServer {
 public:
  using Script = std::function<DnsReply(const std::string& name, net::Family family)>;

  using SrvScript = std::function<DnsReply(const std::string& name)>;

  explicit DnsServer(Script script, SrvScript srv_script = {})
      : script_(std::move(script)), srv_script_(std::move(srv_script)) {
    open_sockets();
    thread_ = std::thread([this] { serve(); });
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;
  ~DnsServer() {
    const std::uint64_t one = 1;
    (void)!::write(stop_, &one, sizeof one);
    thread_.join();
    for (const int fd : {udp_, tcp_, stop_}) ::close(fd);
  }

  /// "127.0.0.1:PORT", for Resolver::Options::servers.
  [[nodiscard]] std::string address() const {
    return net::SocketAddress(net::IpAddress::loopback(net::Family::kV4), port_).to_string();
  }
  [[nodiscard]] int asked(const std::string& name, net::Family family) const {
    const std::lock_guard lock(mutex_);
    return count(name, net::type_of(family));
  }
  [[nodiscard]] int asked_for_service(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return count(name, net::DnsType::kSrv);
  }
  [[nodiscard]] int asked_over_tcp() const {
    const std::lock_guard lock(mutex_);
    return asked_over_tcp_;
  }

 private:
  struct Question {
    std::string name;
    std::uint16_t type = 0;
    std::size_t end = 0;  // of the question section
  };
  static constexpr std::size_t kHeaderBytes = 12;
  static constexpr std::uint16_t kTypeA = 1, kTypeCname = 5, kTypeSoa = 6, kTypeAaaa = 28;
  static constexpr std::uint16_t kTypeSrv = 33;
  static constexpr std::size_t kUdpBytesMax = 512;

  void open_sockets() {
    stop_ = ::eventfd(0, EFD_CLOEXEC);
    // The UDP port that the kernel gives may be taken for TCP: try again.
    for (int attempt = 0; attempt < 20; ++attempt) {
      udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (bind_to(udp_, 0) && bind_to(tcp_, port_) && ::listen(tcp_, 16) == 0) return;
      ::close(udp_);
      ::close(tcp_);
    }
    throw std::runtime_error("no port for the DNS server");
  }

  bool bind_to(int fd, std::uint16_t port) {
    const auto wanted =
        net::SocketAddress(net::IpAddress::loopback(net::Family::kV4), port).to_raw();
    if (::bind(fd, wanted.get(), wanted.length) != 0) return false;
    sockaddr_in got{};
    socklen_t length = sizeof got;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&got), &length);
    port_ = ntohs(got.sin_port);
    return true;
  }

  void serve() {
    for (;;) {
      pollfd fds[] = {{stop_, POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
      if (::poll(fds, 3, -1) < 0) continue;
      if (fds[0].revents != 0) return;
      if (fds[1].revents != 0) answer_datagram();
      if (fds[2].revents != 0) answer_connection();
    }
  }

  void answer_datagram() {
    char buffer[2048];
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    const ssize_t n =
        ::recvfrom(udp_, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&peer), &length);
    if (n <= 0) return;
    const std::string reply = respond({buffer, static_cast<std::size_t>(n)}, false);
    if (!reply.empty())
      ::sendto(udp_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&peer), length);
  }

  void answer_connection() {
    const int fd = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    unsigned char size[2];
    char buffer[2048];
    if (::recv(fd, size, 2, MSG_WAITALL) == 2) {
      const std::size_t n = static_cast<std::size_t>(size[0]) << 8 | size[1];
      if (n <= sizeof buffer && ::recv(fd, buffer, n, MSG_WAITALL) == static_cast<ssize_t>(n)) {
        std::string reply;
        const std::string body = respond({buffer, n}, true);
        put16(reply, body.size());
        reply += body;
        ::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
      }
    }
    ::close(fd);
  }

  static void put16(std::string& out, std::size_t value) {
    out += static_cast<char>(value >> 8 & 0xff);
    out += static_cast<char>(value & 0xff);
  }
  static void put_name(std::string& out, const std::string& name) {
    for (std::size_t at = 0; at < name.size();) {
      const std::size_t dot = std::min(name.find('.', at), name.size());
      out += static_cast<char>(dot - at);
      out.append(name, at, dot - at);
      at = dot + 1;
    }
    out += '\0';
  }

  static std::optional<Question> parse(const std::string& query) {
    Question q;
    std::size_t at = kHeaderBytes;
    while (at < query.size() && query[at] != 0) {
      const auto label = static_cast<unsigned char>(query[at]);
      if (at + 1 + label >= query.size()) return std::nullopt;
      if (!q.name.empty()) q.name += '.';
      q.name.append(query, at + 1, label);
      at += 1U + label;
    }
    if (at + 5 > query.size()) return std::nullopt;
    q.type = static_cast<std::uint16_t>(static_cast<unsigned char>(query[at + 1]) << 8 |
                                        static_cast<unsigned char>(query[at + 2]));
    q.end = at + 5;
    return q;
  }

  DnsReply reply_to(const Question& q, bool over_tcp) {
    {
      const std::lock_guard lock(mutex_);
      ++asked_[{q.name, static_cast<net::DnsType>(q.type)}];
      if (over_tcp) ++asked_over_tcp_;
    }
    if (q.type == kTypeSrv) return srv_script_ ? srv_script_(q.name) : DnsReply{};
    return script_(q.name, q.type == kTypeAaaa ? net::Family::kV6 : net::Family::kV4);
  }

  int count(const std::string& name, net::DnsType type) const {
    const auto it = asked_.find({name, type});
    return it == asked_.end() ? 0 : it->second;
  }

  static void put_record(std::string& out, const DnsRecord& record, const std::string& asked) {
    put_name(out, record.owner.empty() ? asked : record.owner);
    std::string data;
    std::uint16_t type = kTypeCname;
    if (const auto* address = std::get_if<net::IpAddress>(&record.data)) {
      type = address->is_v4() ? kTypeA : kTypeAaaa;
      data.assign(reinterpret_cast<const char*>(address->bytes().data()), address->bytes().size());
    } else if (const auto* srv = std::get_if<net::SrvRecord>(&record.data)) {
      type = kTypeSrv;
      for (const std::uint16_t number : {srv->priority, srv->weight, srv->port})
        put16(data, number);
      put_name(data, srv->target);
    } else {
      put_name(data, std::get<std::string>(record.data));
    }
    put_data(out, type, record.ttl, data);
  }

  static void put_data(std::string& out, std::uint16_t type, std::uint32_t ttl,
                       const std::string& data) {
    put16(out, type);
    put16(out, 1);
    put16(out, ttl >> 16);
    put16(out, ttl & 0xffff);
    put16(out, data.size());
    out += data;
  }

  static void put_soa(std::string& out, const DnsSoa& soa) {
    std::string data;
    put_name(data, "ns.example");
    put_name(data, "admin.example");
    for (const std::uint32_t number : {1U, 7200U, 3600U, 86400U, soa.minimum}) {
      put16(data, number >> 16);
      put16(data, number & 0xffff);
    }
    put_name(out, "example");
    put_data(out, kTypeSoa, soa.ttl, data);
  }

  std::string respond(const std::string& query, bool over_tcp) {
    const std::optional<Question> question = parse(query);
    if (!question) return {};
    DnsReply reply = reply_to(*question, over_tcp);
    if (reply.silent) return {};
    std::string answers;
    for (const DnsRecord& r : reply.records) put_record(answers, r, question->name);
    bool truncated = !over_tcp && reply.truncated_over_udp;
    truncated = truncated || (!over_tcp && question->end + answers.size() > kUdpBytesMax);
    std::string out = query.substr(0, 2);
    // QR, RD, RA and perhaps TC
    put16(out, 0x8180U | (truncated ? 0x0200U : 0U) | static_cast<unsigned>(reply.rcode));
    put16(out, 1);
    put16(out, truncated ? 0 : reply.records.size());
    put16(out, !truncated && reply.soa ? 1 : 0);
    put16(out, 0);
    out.append(query, kHeaderBytes, question->end - kHeaderBytes);
    if (!truncated) out += answers;
    if (!truncated && reply.soa) put_soa(out, *reply.soa);
    return out;
  }

  const Script script_;
  const SrvScript srv_script_;
  int udp_ = -1, tcp_ = -1, stop_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, net::DnsType>, int> asked_;
  int asked_over_tcp_ = 0;
  std::thread thread_;
};

}  // namespace millrace::test
