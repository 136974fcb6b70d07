"""Either end of a proxied exchange may leave or be slow: the other one notices, and nothing piles
up in between."""

import contextlib
import fcntl
import pathlib
import socket
import struct
import termios
import threading
import time
import unittest

import harness
import peers
from test_proxy import CANNED, ProxyTest

# The promise is a second from the client's end to the upstream's; the rest is for a busy machine.
CANCEL_S = 10.0  # promised is a second; a busy machine has its own time, a broken server takes 60


class ClientGone(ProxyTest):
    def assert_cancelled(self, before, request, leave=harness.RawClient.close):
        """`before(connection)` plays the backend's part until the client leaves."""
        ready, ended = threading.Event(), []

        def play(connection):
            before(connection)
            ready.set()
            if connection.wait_for_close():
                ended.append(time.monotonic())

        self.start(on_connection=play)
        client = self.server.client()
        client.send(request)
        self.assertTrue(ready.wait(harness.DEADLINE_S))
        left = time.monotonic()
        leave(client)
        harness.wait_until(lambda: ended, what="the upstream connection's end")
        self.assertLess(ended[0] - left, CANCEL_S)
        if leave is not harness.RawClient.close:
            client.close()

    def test_while_the_backend_thinks(self):
        for leave in (harness.RawClient.close, harness.RawClient.reset,
                      harness.RawClient.finish_sending):
            for head in ("GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"):
                with self.subTest(leave.__name__, method=head[:4]):
                    self.assert_cancelled(peers.Connection.read_request, head, leave)

    def test_while_a_stream_of_events_is_silent(self):
        def before(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                            b"data: 1\n\n")

        self.assert_cancelled(before, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_in_the_middle_of_its_body(self):
        self.assert_cancelled(lambda connection: connection._until(b"half"),
                              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf")

    def test_behind_a_body_that_the_backend_does_not_read(self):
        self.assert_cancelled_behind_a_body(harness.RawClient.close)

    def test_by_a_reset_behind_a_body_that_the_backend_does_not_read(self):
        self.assert_cancelled_behind_a_body(harness.RawClient.reset)

    def assert_cancelled_behind_a_body(self, leave):
        # Bytes that nobody takes lie before the client's end, and would lie before ours at the
        # backend: only the kernel knows of the one, only our descriptors tell of the other.
        done = threading.Event()
        self.addCleanup(done.set)

        def play(connection):
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            connection._until(b"\r\n\r\n")
            done.wait(harness.DEADLINE_S)

        self.start(on_connection=play)
        idle = self.server.fds()
        with self.server.client() as client:
            client.send(self.head("POST", "/", "Content-Length: 1000000000"))
            self.fill_until_unread(client.socket)
            self.assertEqual(self.server.fds(), idle + 2)
            leave(client)
            harness.wait_until(lambda: self.server.fds() == idle, CANCEL_S,
                               "both connections' descriptors to be gone")
        line = harness.wait_until(lambda: self.server.events("access"), what="the log")[0]
        self.assertEqual(line["cause"], "client_gone")

    def fill_until_unread(self, sock):
        """Sends until some of it stays unread at the server, with nothing left on our side: what
        comes next, even our end, is delivered."""
        sock.send(b"x" * 32768)
        while taken_within(sock, 1):
            sock.send(b"x" * 32768)
        harness.wait_until(lambda: unsent(sock) == 0, what="the kernel to have delivered it")


def taken_within(sock, time_s):
    """Whether the server reads everything that was sent. Looks without a pause: it is asked
    hundreds of times."""
    give_up_at = time.monotonic() + time_s
    while unsent(sock) > 0 or unread(sock) > 0:
        if time.monotonic() > give_up_at:
            return False
    return True


def unsent(sock):
    """Bytes in the socket's own buffer that the other side has not acknowledged."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"    "))[0]


def unread(sock):
    """Bytes that the other end of this loopback connection holds and has not read."""
    own, other = ("0100007F:%04X" % name[1] for name in (sock.getsockname(), sock.getpeername()))
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == [other, own]:
            return int(fields[4].split(":")[1], 16)
    raise AssertionError("the connection is gone")


class Flow(ProxyTest):
    """A slow end stops the fast one: nothing piles up in between."""

    TOTAL = 64 << 20
    PIECE = b"x" * 65536
    HELD_MAX = 24 << 20  # what four sockets' buffers of this kernel may take
    RSS_MAX = 64 << 20 if harness.SANITIZED else 8 << 20

    def fill(self, sock):
        """Sends until it blocks for a while; how many bytes that took."""
        sent = 0
        sock.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while sent < self.TOTAL:
                sent += sock.send(self.PIECE)
        sock.settimeout(harness.DEADLINE_S)
        return sent

    def test_slow_client_stops_a_fast_backend(self):
        blocked, finished = [], threading.Event()

        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.TOTAL)
            blocked.append(self.fill(connection.socket))
            left = self.TOTAL - blocked[0]
            while left > 0:
                left -= connection.socket.send(self.PIECE[:left])
            finished.set()

        self.start(on_connection=play)
        before = self.server.rss_bytes()
        with self.server.client() as client:
            client.send(self.head())
            harness.wait_until(lambda: blocked, what="the backend to block")
            self.assertLess(blocked[0], self.HELD_MAX)
            self.assertLess(self.server.rss_bytes() - before, self.RSS_MAX)
            client.receive_until(b"\r\n\r\n")
            self.assertEqual(read_count(client, self.TOTAL), self.TOTAL)
        self.assertTrue(finished.is_set())

    def test_slow_backend_stops_a_fast_client(self):
        go_on, received = threading.Event(), []

        def play(connection):
            connection._until(b"\r\n\r\n")
            go_on.wait(harness.DEADLINE_S)
            count = len(connection.bytes) - connection._taken
            while count < self.TOTAL:
                count += len(connection.socket.recv(1 << 20))
            received.append(count)
            connection.send(CANNED)

        self.start(on_connection=play)
        before = self.server.rss_bytes()
        with self.server.client() as client:
            client.send(self.head("POST", "/", f"Content-Length: {self.TOTAL}"))
            sent = self.fill(client.socket)
            self.assertLess(sent, self.HELD_MAX)
            self.assertLess(self.server.rss_bytes() - before, self.RSS_MAX)
            go_on.set()
            while sent < self.TOTAL:
                sent += client.socket.send(self.PIECE[: self.TOTAL - sent])
            self.assertEqual(client.receive_response("POST").body, b"ok")
        self.assertEqual(received, [self.TOTAL])


def read_count(client, count):
    """Reads so many bytes and forgets them."""
    left = count - len(client._held)
    client._held = b""
    while left > 0 and (piece := client.socket.recv(1 << 20)):
        left -= len(piece)
    return count - left


if __name__ == "__main__":
    unittest.main()
