"""attacker.py PORT ATTACK CONNECTIONS SECONDS: sends as fast as the server takes it, opens a new
connection for every one that ends, and prints what it did as JSON.

A connection ends when the server closes it or, after the last byte, has answered a PING: otherwise
far more of them would lie in the server's queue than the attack is said to have."""

import json
import os
import select
import socket
import sys
import time

from attacks import ATTACKS, Then
from frames import PING, frame

PIECE = 65536
FAREWELL = b"farewell"
LONG = 1 << 20  # scripts that are sent again are joined to about this


class Connection:
    def __init__(self, port, attack):
        self._attack = attack
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))
        script = attack.script
        if attack.then is Then.AGAIN:
            script *= max(1, LONG // len(script))
        elif attack.then is Then.ANEW:
            script += frame(PING, payload=FAREWELL)
        self._script = memoryview(script)
        self._tail = b""
        self._left = memoryview(attack.opening + script)
        self.sent = 0

    def interest(self):
        wanted = select.EPOLLIN if self._attack.reads else select.EPOLLRDHUP
        return wanted | (select.EPOLLOUT if self._left else 0)

    def advance(self, events):
        """False when the connection is over."""
        try:
            if events & (select.EPOLLERR | select.EPOLLHUP | select.EPOLLRDHUP):
                return False
            if events & select.EPOLLIN and not self._receive():
                return False
            if events & select.EPOLLOUT:
                self._send()
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def _receive(self):
        data = self.socket.recv(PIECE)
        over = FAREWELL in self._tail + data
        self._tail = data[-len(FAREWELL) :]
        return data and not over

    def _send(self):
        count = self.socket.send(self._left[:PIECE])
        self.sent += count
        self._left = self._left[count:]
        if not self._left and self._attack.then is Then.AGAIN:
            self._left = self._script


def run(port, attack, count, seconds):
    poll = select.epoll()
    connections, ended, opened, sent = {}, 0, 0, 0

    def add():
        connection = Connection(port, attack)
        connections[connection.socket.fileno()] = connection
        poll.register(connection.socket, connection.interest())

    for _ in range(count):
        add()
        opened += 1
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        for descriptor, events in poll.poll(0.1):
            connection = connections[descriptor]
            if connection.advance(events):
                poll.modify(descriptor, connection.interest())
                continue
            sent += connection.sent
            poll.unregister(descriptor)
            del connections[descriptor]
            connection.socket.close()
            ended += 1
            add()
            opened += 1
    sent += sum(connection.sent for connection in connections.values())
    return {"opened": opened, "ended": ended, "sent_bytes": sent}


if __name__ == "__main__":
    os.nice(19)  # the client that is measured shares this processor
    print(json.dumps(run(int(sys.argv[1]), ATTACKS[sys.argv[2]], int(sys.argv[3]),
                         float(sys.argv[4]))))
