"""The targets: services with a few workers each, good and bad ones, in one process that counts what reaches them.

Started as `targets.py SPEC...`, a SPEC for each target: MODE:MILLISECONDS of work for a request. It prints the ports
as JSON, that of the counts last: whoever connects there gets them.
"""

import asyncio
import collections
import json
import sys

WORKERS = 8  # of each target, as of gunicorn --threads 8
PERIOD_S = 1.0  # of flapping: well in the first half, ill in the second
MODES = ("well", "stuck", "unavailable", "killed")
HOST = "127.0.0.1"
CHECK = b"/check"  # a health check: not counted, but treated as it would be


def response(status, body):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


GOOD = response(b"200 OK", b"good\n")
UNAVAILABLE = response(b"503 Service Unavailable", b"ill\n")


class Target:
    """One service: its workers, and the numbers of the requests that it was sent."""

    def __init__(self, mode, work_s, begun):
        self.mode, self.work_s = mode, work_s
        self._begun = begun  # an event: a target was asked something
        self.well = True
        self.numbers = []
        self.connections = set()
        self._waiting = collections.deque()
        self._busy = 0
        self._server = None

    async def listen(self, port=0):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), HOST, port, backlog=1024)
        return self._server.sockets[0].getsockname()[1]

    def listens(self):
        return self.well or self.mode != "killed"

    def take(self, connection, path):
        if path != CHECK:
            self._begun.set()
            self.numbers.append(int(path[1:]))
        if self.mode == "stuck":
            return
        if not self.well:
            connection.answer(UNAVAILABLE)
            return
        self._waiting.append(connection)
        self._begin_work()

    def _begin_work(self):
        while self._waiting and self._busy < WORKERS:
            self._busy += 1
            asyncio.get_running_loop().call_later(self.work_s, self._end_work, self._waiting.popleft())

    def _end_work(self, connection):
        self._busy -= 1
        connection.answer(GOOD)
        self._begin_work()

    def _kill(self):
        """What the end of a process means to its peers."""
        self._server.close()
        for connection in list(self.connections):
            connection.transport.abort()

    async def flap(self, port):
        """From the first request on, until the process ends."""
        await self._begun.wait()
        while True:
            await asyncio.sleep(PERIOD_S / 2)
            self.well = not self.well
            if self.mode == "killed" and self.well:
                await self.listen(port)
            elif self.mode == "killed":
                self._kill()


class Connection(asyncio.Protocol):
    """HTTP by hand: one request after the other."""

    def __init__(self, target):
        self._target = target
        self._held = b""
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        self._target.connections.add(self)
        if not self._target.listens():  # it was accepted in the very turn of the end
            transport.abort()

    def connection_lost(self, _):
        self._target.connections.discard(self)

    def data_received(self, data):
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            _, found, rest = head.partition(b"\r\ncontent-length: ")
            size = end + 4 + (int(rest.split(b"\r\n", 1)[0]) if found else 0)
            if len(self._held) < size:
                return
            self._held = self._held[size:]
            self._target.take(self, head.split(b" ", 2)[1])

    def answer(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)


class Counts(asyncio.Protocol):
    """Says what every target was sent."""

    def __init__(self, targets):
        self._targets = targets

    def connection_made(self, transport):
        transport.write(json.dumps([target.numbers for target in self._targets]).encode())
        transport.close()


async def serve(specs):
    begun = asyncio.Event()
    targets = [Target(mode, float(work_ms) / 1e3, begun) for mode, work_ms in (s.split(":") for s in specs)]
    ports = [await target.listen() for target in targets]
    loop = asyncio.get_running_loop()
    counts = await loop.create_server(lambda: Counts(targets), HOST, 0)
    print(json.dumps([*ports, counts.sockets[0].getsockname()[1]]), flush=True)
    await asyncio.gather(loop.create_future(), *(target.flap(port) for target, port in zip(targets, ports)
                                                 if target.mode in ("unavailable", "killed")))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
