"""Clients that ask at a constant rate, whatever becomes of their requests (an open loop)."""

import asyncio
import dataclasses
import random

# Drawn for each: the fifth of every five would be the one that a retry budget of a fifth has room for.
POST_SHARE = 0.2
BODY = b"x" * 100
GIVE_UP_S = 15.0


@dataclasses.dataclass
class Asked:
    """One request, and what became of it."""

    number: int
    method: str
    outcome: str = ""  # "200" or another status; the name of an exception
    seconds: float = 0.0  # from when it was due, so that a client that is late hides nothing


def request_of(asked):
    body = BODY if asked.method == "POST" else b""
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%s /%d HTTP/1.1\r\nHost: a\r\n%s\r\n%s" % (asked.method.encode(), asked.number, length, body)


class Clients:
    """As many keep-alive connections as there are requests at once."""

    def __init__(self, address):
        self._address = address
        self._idle = []

    async def _exchange(self, request):
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(*self._address)
        kept = False
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))
            kept = b"connection: close" not in head
        finally:
            if kept:
                self._idle.append((reader, writer))
            else:
                writer.close()
        return head.split(b" ", 2)[1].decode()

    async def ask(self, asked, due):
        try:
            asked.outcome = await asyncio.wait_for(self._exchange(request_of(asked)), GIVE_UP_S)
        except (OSError, EOFError, IndexError, asyncio.TimeoutError) as error:
            asked.outcome = type(error).__name__
        asked.seconds = asyncio.get_running_loop().time() - due

    def close(self):
        for _, writer in self._idle:
            writer.close()


async def play(address, rate, seconds, seed):
    """All requests that were asked within `seconds`, when all of them have ended. The same seed asks at the same
    times: random ones, as those of clients that do not know of each other."""
    draw, loop, clients = random.Random(seed), asyncio.get_running_loop(), Clients(address)
    requests, tasks = [], []
    due, end = loop.time(), loop.time() + seconds
    while (due := due + draw.expovariate(rate)) < end:
        await asyncio.sleep(due - loop.time())
        requests.append(Asked(len(requests), "POST" if draw.random() < POST_SHARE else "GET"))
        tasks.append(asyncio.create_task(clients.ask(requests[-1], due)))
    await asyncio.gather(*tasks)
    clients.close()
    return requests
