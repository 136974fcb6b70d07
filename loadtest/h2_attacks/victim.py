"""The client that behaves: HTTP/2 by prior knowledge, a request every 10 ms, each tenth on a
connection of its own."""

import socket
import struct
import time

from frames import (DATA, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, ACK, GOAWAY, frame,
                    headers, request, settings, window_update)

INTERVAL_S = 0.01
TIMEOUT_S = 5
STREAMS_MAX = 1000  # per connection
BODY = b"Hello, World!"


class Connection:
    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(PREFACE + settings() + window_update(0, 2**30))
        self._held = b""
        self._stream = -1

    def worn(self):
        return self._stream >= 2 * STREAMS_MAX

    def _exactly(self, count):
        while len(self._held) < count:
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError("closed")
            self._held += piece
        data, self._held = self._held[:count], self._held[count:]
        return data

    def ask(self):
        """Whether the next request was answered as it should be."""
        self._stream += 2
        self._socket.sendall(headers(self._stream, request()))
        body = b""
        while True:
            size, kind, flags, stream = struct.unpack(">IBBI", b"\0" + self._exactly(9))
            payload = self._exactly(size)
            if kind == SETTINGS and not flags & ACK:
                self._socket.sendall(frame(SETTINGS, ACK))
            if kind == GOAWAY or (kind == RST_STREAM and stream == self._stream):
                return False
            if kind == DATA and stream == self._stream:
                body += payload
            if kind in (DATA, HEADERS) and stream == self._stream and flags & END_STREAM:
                return body == BODY

    def close(self):
        self._socket.close()


def ask_for(port, seconds):
    """(times in seconds of those answered, number of those not answered)"""
    times, failures, kept = [], 0, None
    due = begun = time.monotonic()
    number = 0
    while (now := time.monotonic()) < begun + seconds:
        if now < due:
            time.sleep(due - now)
        # After a long answer the rate goes on, it does not catch up.
        due = max(due + INTERVAL_S, time.monotonic())
        number += 1
        fresh = number % 10 == 0
        start, connection = time.perf_counter(), None
        try:
            if fresh or kept is None or kept.worn():
                connection = Connection(port)
            else:
                connection, kept = kept, None
            if not connection.ask():
                raise ConnectionError("not answered")
            times.append(time.perf_counter() - start)
            if not fresh:
                kept, connection = connection, None
        except OSError:
            failures += 1
        finally:
            if connection:
                connection.close()
    if kept:
        kept.close()
    return times, failures
