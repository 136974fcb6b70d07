// The floor under every server: one thread, one epoll set, read, count the empty lines that end
// requests, write as many fixed answers. Nothing is parsed, nothing is checked.
//
//   bare PORT

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr char kAnswer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";
constexpr size_t kAnswerBytes = sizeof(kAnswer) - 1;
constexpr int kDescriptorsMax = 20000;
constexpr size_t kAnswersMax = 1024;

unsigned char matched[kDescriptorsMax];  // how much of \r\n\r\n each connection has just sent
char input[65536];
char output[kAnswersMax * kAnswerBytes];

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// How many requests end in these bytes.
size_t requests_in(unsigned char& state, const char* data, size_t size) {
  size_t found = 0;
  for (const char* end = data + size; data != end;) {
    if (state == 0) {
      data = static_cast<const char*>(std::memchr(data, '\r', static_cast<size_t>(end - data)));
      if (data == nullptr) break;
    }
    const char wanted = state % 2 == 0 ? '\r' : '\n';
    state = *data == wanted ? state + 1 : (*data == '\r' ? 1 : 0);
    ++data;
    if (state == 4) {
      ++found;
      state = 0;
    }
  }
  return found;
}

void serve(int fd) {
  const ssize_t got = read(fd, input, sizeof input);
  if (got <= 0) {
    close(fd);
    return;
  }
  size_t left = requests_in(matched[fd], input, static_cast<size_t>(got));
  while (left > 0) {
    const size_t now = left < kAnswersMax ? left : kAnswersMax;
    // A load generator that does not read its answers is of no interest here.
    if (write(fd, output, now * kAnswerBytes) != static_cast<ssize_t>(now * kAnswerBytes)) {
      close(fd);
      return;
    }
    left -= now;
  }
}

int listen_on(const char* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (listen(fd, 1024) != 0) fail("listen");
  return fd;
}

void watch(int set, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: bare PORT\n", stderr);
    return 2;
  }
  for (size_t i = 0; i < kAnswersMax; ++i)
    std::memcpy(output + i * kAnswerBytes, kAnswer, kAnswerBytes);
  const int listener = listen_on(argv[1]);
  const int set = epoll_create1(EPOLL_CLOEXEC);
  watch(set, listener);
  for (;;) {
    epoll_event events[256];
    const int count = epoll_wait(set, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd != listener) {
        serve(events[i].data.fd);
        continue;
      }
      const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0 || fd >= kDescriptorsMax) continue;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      matched[fd] = 0;
      watch(set, fd);
    }
  }
}
