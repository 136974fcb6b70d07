"""POSTs with pauses around the time after which the server closes. Started by ./run."""

import argparse
import asyncio
import collections
import os
import random
import socket
import sys

import heavy
import harness
import origins

# Around the close time; half of the pauses is within origins.NEAR_S of it.
SPREAD_S = 0.1
BODY = b"x" * 100
CONFIG = """
[server]
listen = ["127.0.0.1:0"]
[log]
access = "off"
[upstream.origin]
targets = ["http://127.0.0.1:{port}"]
timeout = {{ connect = "10s" }}
[[route]]
match = {{ path = "/*" }}
upstream = "origin"
"""


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


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def play(options, server):
    workers = [Worker(i, server.host, server.port) for i in range(options.clients)]
    outcomes = collections.Counter()
    loop = asyncio.get_running_loop()
    for _ in range(-(-options.posts // options.clients)):
        # From beginning to beginning: each client's turn in a round comes at about the same time.
        ends = loop.time() + options.close + random.uniform(-SPREAD_S, SPREAD_S)
        outcomes.update(await asyncio.gather(*(worker.post() for worker in workers)))
        await asyncio.sleep(ends - loop.time())
    return outcomes


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=origins.KINDS, default="frames")
    parser.add_argument("--close", type=float, default=2.0, help="seconds; whole ones but for frames")
    parser.add_argument("--posts", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=1000)
    return parser.parse_args(arguments)


def main():
    options = options_of(None)
    port = harness.free_port()
    command = origins.command(options.server, port, options.close)
    environment = {**os.environ, "CLOSE_S": str(options.close)}
    with (harness.Process(command, options.server, cwd=origins.FOLDER, env=environment),
          harness.Millrace(CONFIG.format(port=port)) as server):
        harness.wait_until(lambda: listens(port), what="the server's socket")
        outcomes = asyncio.run(play(options, server))
        counted = origins.counts(port)
    good = outcomes.pop("HTTP/1.1 200 OK", 0)
    heavy.table(f"{options.server}, which closes idle connections after {options.close:g} s",
                f"POSTs through the proxy, {options.clients} at once; pauses of the close time +- "
                f"{SPREAD_S:g} s. Counted by the server, but for the failures.",
                ["POSTs", "pauses within 50 ms of the close time", "failed"],
                [[counted["posts"], counted["near"], sum(outcomes.values())]])
    if outcomes:
        print(dict(outcomes), file=sys.stderr)
    sys.exit(1 if outcomes or good != counted["posts"] else 0)


if __name__ == "__main__":
    main()
