"""dawdler.py PORT KIND CONNECTIONS: keeps so many slow connections open until its input ends,
a new one for every one that the server sends away, and each does as little as it can every five
seconds. Prints {"held": N} when all are there, and at the end what it came to, as JSON."""

import heapq
import json
import select
import socket
import sys
import time
from dataclasses import dataclass

INTERVAL_S = 5
AT_ONCE = 200  # being connected
RECEIVE_BUFFER = 1024


@dataclass(frozen=True)
class Kind:
    about: str
    opening: bytes
    more: bytes = b""  # every interval; nothing: a byte is read


KINDS = {
    "head": Kind("a request head that does not end",
                 b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\n", b"X-More: 1\r\n"),
    "body": Kind("a request body, a byte at a time",
                 b"POST /v1/compute/wordcount HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Length: 100000\r\n\r\n", b"a"),
    "read": Kind("a large answer, read a byte at a time",
                 b"GET /bytes?n=5000000 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
}


class Connection:
    def __init__(self, port, kind):
        self.kind = kind
        self.begun = False
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))

    def act(self):
        """False when the connection is over."""
        try:
            if not self.begun:
                self.begun = True
                self.socket.send(self.kind.opening)
            elif self.kind.more:
                self.socket.send(self.kind.more)
            else:
                return self.socket.recv(1) != b""
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True


class Dawdler:
    def __init__(self, port, kind, count):
        self._port, self._kind, self._count = port, kind, count
        self._epoll = select.epoll()
        self._all, self._connecting = {}, set()
        self._due = []  # (when, descriptor, connection)
        self.opened = self.sent_away = 0
        self.held_min = count

    def _open(self):
        connection = Connection(self._port, self._kind)
        descriptor = connection.socket.fileno()
        self._all[descriptor] = connection
        self._connecting.add(descriptor)
        self._epoll.register(descriptor, select.EPOLLOUT | select.EPOLLRDHUP)
        self.opened += 1

    def _close(self, descriptor):
        self._connecting.discard(descriptor)
        self._all.pop(descriptor).socket.close()

    def _step(self, descriptor):
        connection = self._all[descriptor]
        if not connection.act():
            self.sent_away += 1
            return self._close(descriptor)
        if descriptor in self._connecting:
            self._connecting.discard(descriptor)
            self._epoll.modify(descriptor, select.EPOLLRDHUP)
        heapq.heappush(self._due, (time.monotonic() + INTERVAL_S, descriptor, id(connection)))

    def turn(self, timeout=0.05):
        while len(self._all) < self._count and len(self._connecting) < AT_ONCE:
            self._open()
        for descriptor, events in self._epoll.poll(timeout):
            if descriptor == 0:
                return False
            if events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP):
                self.sent_away += 1
                self._close(descriptor)
            else:
                self._step(descriptor)
        while self._due and self._due[0][0] <= time.monotonic():
            _, descriptor, which = heapq.heappop(self._due)
            if descriptor in self._all and id(self._all[descriptor]) == which:
                self._step(descriptor)
        return True

    @property
    def held(self):
        return len(self._all) - len(self._connecting)

    def run(self):
        while self.held < self._count:
            self.turn()
        self.opened, self.sent_away = self._count, 0
        print(json.dumps({"held": self.held}), flush=True)
        self._epoll.register(0, select.EPOLLIN | select.EPOLLHUP)
        while self.turn():
            self.held_min = min(self.held_min, self.held)
        print(json.dumps({"opened": self.opened, "sent_away": self.sent_away,
                          "held_min": self.held_min}))


def main():
    port, kind, count = int(sys.argv[1]), KINDS[sys.argv[2]], int(sys.argv[3])
    Dawdler(port, kind, count).run()


if __name__ == "__main__":
    main()
