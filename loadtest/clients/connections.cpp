// A client that makes many connections, each with one request, over TCP or TLS 1.3, HTTP/1.1 or 2.
//
//   connections hold PORT [--tls] [--h2] --count=N
//       Opens N, a request each, prints {"held": N} and keeps them open until its input ends; then
//       prints how many of them the server had closed by then: {"closed": N}.
//   connections churn PORT [--tls] [--h2] --seconds=S [--resume]
//       Opens, asks, closes, opens anew, so many at a time (--at-once=16); with --resume by a
//       ticket from before. Prints connections, how many of them were resumed, and times in us.
//
// Every answer must end in "Hello, World!"; anything else ends the program with an error.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration;

constexpr std::string_view kPath = "/plaintext";
constexpr std::string_view kBody = "Hello, World!";
constexpr std::string_view kSettingsAck("\0\0\0\4\1\0\0\0\0", 9);

struct Options {
  bool hold = false;
  int port = 0;
  bool tls = false;
  bool h2 = false;
  bool resume = false;
  int count = 1000;
  int at_once = 16;
  double seconds = 1;
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "connections: %s\n", what.c_str());
  ERR_print_errors_fp(stderr);
  std::exit(1);
}

std::string frame(unsigned char type, unsigned char flags, unsigned char stream,
                  std::string_view payload) {
  const auto size = payload.size();
  std::string text{static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                   static_cast<char>(size), static_cast<char>(type), static_cast<char>(flags)};
  text += std::string{'\0', '\0', '\0', static_cast<char>(stream)};
  return text.append(payload);
}

std::string request_of(const Options& options) {
  if (!options.h2) {
    std::string text = "GET " + std::string(kPath) + " HTTP/1.1\r\nHost: localhost\r\n";
    return text + (options.hold ? "\r\n" : "Connection: close\r\n\r\n");
  }
  // HPACK: GET and the scheme from the static table, :path and :authority as literals.
  std::string block = options.tls ? "\x82\x87" : "\x82\x86";
  block += '\x04';
  block += static_cast<char>(kPath.size());
  block += kPath;
  block += "\x01\x09localhost";
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "") + frame(1, 5, 1, block);
}

struct Connection {
  enum class State : unsigned char { kConnecting, kHandshaking, kReceiving, kHeld };
  int fd = -1;
  SSL* ssl = nullptr;
  State state = State::kConnecting;
  std::string input;
  std::string body;
  Clock::time_point begun;
};

class Client {
 public:
  explicit Client(const Options& options) : options_(options), request_(request_of(options)) {
    set_ = epoll_create1(EPOLL_CLOEXEC);
    if (options_.tls) make_context();
  }

  void hold();
  void churn();

 private:
  void make_context();
  void open(Connection& c);
  void advance(Connection& c);
  void present_ticket(Connection& c);
  void begin_request(Connection& c);
  void write_all(Connection& c, std::string_view data);
  void receive(Connection& c);
  bool answered(Connection& c);
  bool answered_h2(Connection& c);
  void finish(Connection& c);
  void wait(int timeout_ms);
  static int on_ticket(SSL* ssl, SSL_SESSION* session);

  Options options_;
  std::string request_;
  int set_ = -1;
  SSL_CTX* context_ = nullptr;
  std::vector<SSL_SESSION*> tickets_;
  SSL_SESSION* last_ticket_ = nullptr;
  std::vector<double> times_us_;
  long finished_ = 0;
  long resumed_ = 0;
  long shown_again_ = 0;  // tickets
};

void Client::make_context() {
  context_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(context_,
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context_, on_ticket);
  SSL_CTX_set_app_data(context_, this);
  const std::string_view protocols = options_.h2 ? "\x02h2" : "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context_, reinterpret_cast<const unsigned char*>(protocols.data()),
                          static_cast<unsigned>(protocols.size()));
}

int Client::on_ticket(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<Client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (!self->options_.resume || self->tickets_.size() > 4096) return 0;
  self->tickets_.push_back(session);
  return 1;
}

void Client::open(Connection& c) {
  c.begun = Clock::now();
  c.state = Connection::State::kConnecting;
  c.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c.fd < 0) fail(std::string("socket: ") + std::strerror(errno));
  const int on = 1;
  setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(options_.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(c.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS)
    fail(std::string("connect: ") + std::strerror(errno));
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = &c}};
  if (epoll_ctl(set_, EPOLL_CTL_ADD, c.fd, &event) != 0) fail("epoll_ctl");
}

void Client::advance(Connection& c) {
  using enum Connection::State;
  if (c.state == kConnecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) fail(std::string("connect: ") + std::strerror(error));
    if (!options_.tls) return begin_request(c);
    c.ssl = SSL_new(context_);
    SSL_set_fd(c.ssl, c.fd);
    SSL_set_connect_state(c.ssl);
    SSL_set_tlsext_host_name(c.ssl, "localhost");
    if (options_.resume) present_ticket(c);
    c.state = kHandshaking;
  }
  if (c.state == kHandshaking) {
    const int done = SSL_do_handshake(c.ssl);
    if (done != 1) {
      const int error = SSL_get_error(c.ssl, done);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
      fail("the handshake failed");
    }
    return begin_request(c);
  }
  if (c.state == kReceiving) receive(c);
}

// A ticket is for one use (RFC 8446, C.4), as browsers hold it. A server that gives no new one when
// it resumes is shown the last one again.
void Client::present_ticket(Connection& c) {
  if (!tickets_.empty()) {
    SSL_SESSION_free(last_ticket_);
    last_ticket_ = tickets_.back();
    tickets_.pop_back();
  } else if (last_ticket_ != nullptr) {
    ++shown_again_;
  }
  if (last_ticket_ == nullptr) return;
  // A copy: OpenSSL marks as used what it has shown.
  SSL_SESSION* copy = SSL_SESSION_dup(last_ticket_);
  SSL_set_session(c.ssl, copy);
  SSL_SESSION_free(copy);
}

void Client::begin_request(Connection& c) {
  c.state = Connection::State::kReceiving;
  write_all(c, request_);
  receive(c);
}

// What we write is small: a socket that does not take it at once is broken.
void Client::write_all(Connection& c, std::string_view data) {
  const auto written = c.ssl ? SSL_write(c.ssl, data.data(), static_cast<int>(data.size()))
                             : static_cast<int>(send(c.fd, data.data(), data.size(), MSG_NOSIGNAL));
  if (written != static_cast<int>(data.size())) fail("a request could not be written");
}

void Client::receive(Connection& c) {
  char buffer[16384];
  for (;;) {
    int got;
    if (c.ssl) {
      got = SSL_read(c.ssl, buffer, sizeof buffer);
      if (got <= 0 && SSL_get_error(c.ssl, got) == SSL_ERROR_WANT_READ) return;
    } else {
      got = static_cast<int>(recv(c.fd, buffer, sizeof buffer, 0));
      if (got < 0 && errno == EAGAIN) return;
    }
    if (got <= 0) fail("closed before the answer: \"" + c.input + "\"");
    c.input.append(buffer, static_cast<size_t>(got));
    if (options_.h2 ? answered_h2(c) : answered(c)) return finish(c);
  }
}

bool Client::answered(Connection& c) {
  if (c.input.size() >= 12 && c.input.compare(9, 3, "200") != 0) fail("answered: " + c.input);
  return c.input.ends_with(kBody);
}

bool Client::answered_h2(Connection& c) {
  while (c.input.size() >= 9) {
    const auto byte = [&](size_t at) { return static_cast<unsigned char>(c.input[at]); };
    const size_t size = (byte(0) << 16) | (byte(1) << 8) | byte(2);
    if (c.input.size() < 9 + size) return false;
    const unsigned type = byte(3), flags = byte(4), stream = byte(8);
    if (type == 4 && (flags & 1) == 0) write_all(c, kSettingsAck);
    if (type == 7 || type == 3) fail("GOAWAY or RST_STREAM instead of an answer");
    if (type == 0) c.body.append(c.input, 9, size);
    c.input.erase(0, 9 + size);
    if (type <= 1 && stream == 1 && (flags & 1) != 0) {
      if (c.body != kBody) fail("answered: " + c.body);
      return true;
    }
  }
  return false;
}

void Client::finish(Connection& c) {
  ++finished_;
  if (c.ssl && SSL_session_reused(c.ssl)) ++resumed_;
  c.input = {};
  c.body = {};
  // What is held needs no memory here: the server does not notice that our side forgot its keys.
  // Called shut down, because OpenSSL would not use the ticket of a broken connection.
  if (c.ssl) SSL_set_shutdown(c.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(c.ssl);
  c.ssl = nullptr;
  if (options_.hold) {
    c.state = Connection::State::kHeld;
    epoll_event event{.events = EPOLLRDHUP, .data = {.ptr = nullptr}};
    epoll_ctl(set_, EPOLL_CTL_MOD, c.fd, &event);
    return;
  }
  times_us_.push_back(duration<double, std::micro>(Clock::now() - c.begun).count());
  close(c.fd);
  open(c);
}

void Client::wait(int timeout_ms) {
  epoll_event events[256];
  const int count = epoll_wait(set_, events, 256, timeout_ms);
  for (int i = 0; i < count; ++i)
    if (events[i].data.ptr != nullptr) advance(*static_cast<Connection*>(events[i].data.ptr));
}

void Client::hold() {
  std::vector<std::unique_ptr<Connection>> all;
  const auto give_up_at = Clock::now() + std::chrono::seconds(120);
  while (finished_ < options_.count) {
    while (static_cast<int>(all.size()) < options_.count &&
           static_cast<long>(all.size()) - finished_ < options_.at_once)
      open(*all.emplace_back(std::make_unique<Connection>()));
    wait(1000);
    if (Clock::now() > give_up_at) fail("not all connections were answered within 120 s");
  }
  std::printf("{\"held\": %ld}\n", finished_);
  std::fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
  long closed = 0;
  char rest[16384];
  for (auto& c : all) {
    ssize_t got;
    while ((got = recv(c->fd, rest, sizeof rest, MSG_DONTWAIT)) > 0) {
    }
    if (got == 0 || errno != EAGAIN) ++closed;
  }
  std::printf("{\"closed\": %ld}\n", closed);
}

void Client::churn() {
  std::vector<Connection> all(static_cast<size_t>(options_.at_once));
  for (Connection& c : all) open(c);
  // Every first connection is a full handshake that earns a ticket: not counted.
  const auto primed = Clock::now() + std::chrono::milliseconds(200);
  while (finished_ < options_.at_once || Clock::now() < primed) wait(100);
  finished_ = resumed_ = shown_again_ = 0;
  times_us_.clear();
  const auto start = Clock::now();
  while (duration<double>(Clock::now() - start).count() < options_.seconds) wait(100);
  const double took = duration<double>(Clock::now() - start).count();
  if (times_us_.empty()) fail("no connection was finished");
  std::sort(times_us_.begin(), times_us_.end());
  const auto at = [&](size_t percent) { return times_us_[times_us_.size() * percent / 100]; };
  std::printf(
      "{\"connections\": %ld, \"resumed\": %ld, \"shown_again\": %ld, \"seconds\": %.3f, "
      "\"p50_us\": %.0f, "
      "\"p99_us\": %.0f}\n",
      finished_, resumed_, shown_again_, took, at(50), at(99));
}

Options parse(int argc, char** argv) {
  Options options;
  if (argc < 3) fail("usage: connections hold|churn PORT [--tls] [--h2] ...");
  options.hold = std::string_view(argv[1]) == "hold";
  options.port = std::atoi(argv[2]);
  for (int i = 3; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::string_view name = argument.substr(0, argument.find('='));
    const char* value = name.size() < argument.size() ? argv[i] + name.size() + 1 : "";
    if (name == "--tls")
      options.tls = true;
    else if (name == "--h2")
      options.h2 = true;
    else if (name == "--resume")
      options.resume = true;
    else if (name == "--count")
      options.count = std::atoi(value);
    else if (name == "--at-once")
      options.at_once = std::atoi(value);
    else if (name == "--seconds")
      options.seconds = std::atof(value);
    else
      fail("unknown option " + std::string(name));
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const Options options = parse(argc, argv);
  Client client(options);
  options.hold ? client.hold() : client.churn();
}
