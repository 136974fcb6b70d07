"""POSTs with pauses around the time after which the server closes. Started by ./run."""

import argparse
import asyncio
import collections
import random
import sys

import heavy
import harness

WORKERS = 2000
# Around the close time; a quarter of the pauses is within NEAR of it.
SPREAD_S = 0.2
NEAR_S = 0.05
BODY = b"x" * 100
CONFIG = """
[server]
listen = ["127.0.0.1:0"]
[log]
access = "off"
[upstream.origin]
targets = ["http://127.0.0.1:{port}"]
[[route]]
match = {{ path = "/*" }}
upstream = "origin"
"""


class Origin(asyncio.Protocol):
    """Answers POSTs; closes a connection that was idle for `close_s`. Counts what it sees."""

    close_s = 2.0
    posts = connections = near = 0
    last_by_worker = {}

    def connection_made(self, transport):
        Origin.connections += 1
        self.transport, self.held, self.timer = transport, b"", None

    def connection_lost(self, _):
        if self.timer:
            self.timer.cancel()

    def data_received(self, data):
        if self.timer:
            self.timer.cancel()
        self.held += data
        while True:
            end = self.held.find(b"\r\n\r\n")
            if end < 0 or len(self.held) < end + 4 + len(BODY):
                break
            head, self.held = self.held[:end], self.held[end + 4 + len(BODY):]
            self.note(head)
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        loop = asyncio.get_running_loop()
        self.timer = loop.call_later(self.close_s, self.transport.close)

    @staticmethod
    def note(head):
        now = asyncio.get_running_loop().time()
        lower = head.lower()
        at = lower.index(b"x-worker: ") + 10
        worker = lower[at:].split(b"\r\n", 1)[0]
        last = Origin.last_by_worker.get(worker)
        if last is not None and abs(now - last - Origin.close_s) <= NEAR_S:
            Origin.near += 1
        Origin.last_by_worker[worker] = now
        Origin.posts += 1


class Worker:
    """One client, with a keep-alive connection of its own to Millrace."""

    def __init__(self, number, host, port):
        self.request = (f"POST /x HTTP/1.1\r\nHost: a\r\nX-Worker: {number}\r\n"
                        f"Content-Length: {len(BODY)}\r\n\r\n").encode() + BODY
        self.address = (host, port)
        self.reader = self.writer = None

    async def post(self):
        """The status line of the answer, or what went wrong."""
        try:
            if self.writer is None:
                self.reader, self.writer = await asyncio.open_connection(*self.address)
            self.writer.write(self.request)
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            await self.reader.readexactly(length)
            return head.split(b"\r\n", 1)[0].decode()
        except (OSError, EOFError, IndexError) as error:
            self.writer = None
            return repr(error)


async def play(options):
    Origin.close_s = options.close
    loop = asyncio.get_running_loop()
    origin = await loop.create_server(Origin, "127.0.0.1", 0, backlog=4096)
    port = origin.sockets[0].getsockname()[1]
    with harness.Millrace(CONFIG.format(port=port)) as server:
        workers = [Worker(i, server.host, server.port) for i in range(WORKERS)]
        outcomes = collections.Counter()
        for _ in range(-(-options.posts // WORKERS)):
            outcomes.update(await asyncio.gather(*(worker.post() for worker in workers)))
            await asyncio.sleep(options.close + random.uniform(-SPREAD_S, SPREAD_S))
    return outcomes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--close", type=float, default=2.0, help="seconds")
    parser.add_argument("--posts", type=int, default=100_000)
    outcomes = asyncio.run(play(parser.parse_args()))
    good = outcomes.pop("HTTP/1.1 200 OK", 0)
    heavy.table(f"A server that closes idle connections after {Origin.close_s:g} s",
                "POSTs through the proxy; pauses of the close time +- 0.2 s. Counted by the server, "
                "but for the failures.",
                ["POSTs", "pauses within 50 ms of the close time", "connections", "failed"],
                [[Origin.posts, Origin.near, Origin.connections, sum(outcomes.values())]])
    if outcomes:
        print(dict(outcomes), file=sys.stderr)
    sys.exit(1 if outcomes or good != Origin.posts else 0)


if __name__ == "__main__":
    main()
