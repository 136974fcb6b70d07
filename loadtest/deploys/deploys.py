"""Steady requests to a service that is deployed, killed and reloaded. Started by ./run."""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import signal
import socket
import sys
import urllib.parse
import urllib.request

import heavy
import harness

FOLDER = pathlib.Path(__file__).resolve().parent
CLIENTS = 32
POST_EVERY = 5
BODY = b"x" * 1000
TIMES = {"deploy": 20, "kill": 20, "reload": 20, "drain": 2}
CONFIG = f"""
[server]
listen = ["127.0.0.1:0"]
[log]
access = "off"
[process.app]
command = ["uvicorn", "app:app", "--uds", "{{socket}}", "--log-level", "error", "--no-access-log"]
directory = "{FOLDER}"
workers = 2
[upstream.app]
process = "app"
[[route]]
match = {{ path = "/*" }}
upstream = "app"
"""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Client:
    """One keep-alive connection, with one request at a time."""

    def __init__(self, address):
        self.address = address
        self.reader = self.writer = None
        self.begun = False  # a byte of the answer has come

    async def ask(self, request, wanted):
        """"good", or what went wrong."""
        self.begun = False
        try:
            if self.writer is None:
                self.reader, self.writer = await asyncio.open_connection(*self.address)
            self.writer.write(request)
            head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 30)
            self.begun = True
            fields = head.lower()
            length = int(fields.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            body = await asyncio.wait_for(self.reader.readexactly(length), 30)
            if b"connection: close" in fields:
                self.drop()
        except (OSError, EOFError, IndexError, asyncio.TimeoutError) as error:
            self.drop()
            return type(error).__name__
        status = head.split(b" ", 2)[1]
        if status != b"200":
            return f"status {status.decode()}"
        return "good" if body == wanted else "wrong body"

    def drop(self):
        if self.writer is not None:
            self.writer.close()
        self.writer = None


class Millrace:
    """The service under Millrace."""

    def __init__(self):
        self.server = harness.Millrace(CONFIG)
        self.times = dict(TIMES)

    def __enter__(self):
        self.server.__enter__()
        harness.wait_until(lambda: len(self.pids()) == 2, what="two workers")
        self.address = (self.server.host, self.server.port)
        return self

    def __exit__(self, *exception):
        self.server.__exit__(*exception)

    def _get(self, path):
        with urllib.request.urlopen(self.server.admin + path, timeout=10) as answer:
            return json.load(answer)

    def _post(self, path):
        request = urllib.request.Request(self.server.admin + path, b"", method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()

    def _instances(self):
        return [i for i in self._get("/processes")["processes"][0]["instances"]
                if i["state"] == "serving"]

    def pids(self):
        return [i["pid"] for i in self._instances()]

    def deploy(self):
        before = set(self.pids())
        self._post("/processes/app/restart")
        harness.wait_until(lambda: len(now := set(self.pids())) == 2 and not now & before,
                           60, "a new generation")

    def kill(self):
        victim = self.pids()[0]
        os.kill(victim, signal.SIGKILL)
        harness.wait_until(lambda: len(now := self.pids()) == 2 and victim not in now,
                           60, "a replacement")

    def reload(self):
        self._post("/reload")

    def drain(self):
        target = self._get("/upstreams")["upstreams"][0]["targets"][0]["target"]
        query = "?target=" + urllib.parse.quote(target, safe="")
        self._post("/upstreams/app/drain" + query)
        self._post("/upstreams/app/enable" + query)


class Gunicorn:
    """The service under gunicorn."""

    def __init__(self):
        self.times = {"deploy": TIMES["deploy"], "kill": TIMES["kill"]}
        port = harness.free_port()
        self.address = ("127.0.0.1", port)
        self.process = harness.Process(
            ["gunicorn", "app:app", "--bind", f"127.0.0.1:{port}", "--workers", "2", "--worker-class",
             "uvicorn.workers.UvicornWorker", "--log-level", "error"], "gunicorn", cwd=FOLDER)

    def __enter__(self):
        def listens():
            with socket.socket() as probe:
                return probe.connect_ex(self.address) == 0
        harness.wait_until(lambda: listens() and len(self.pids()) == 2, what="gunicorn")
        return self

    def __exit__(self, *exception):
        self.process.__exit__(*exception)

    def pids(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in tasks.read_text().split()]

    def deploy(self):
        before = set(self.pids())
        self.process.signal(signal.SIGHUP)
        harness.wait_until(lambda: len(now := set(self.pids())) == 2 and not now & before,
                           60, "a new generation")

    def kill(self):
        victim = self.pids()[0]
        os.kill(victim, signal.SIGKILL)
        harness.wait_until(lambda: len(now := self.pids()) == 2 and victim not in now,
                           60, "a replacement")


class Load:
    """Clients that ask until all is asked."""

    def __init__(self, address, requests):
        self.address, self.requests = address, requests
        self.asked = 0
        self.outcomes = {"GET": collections.Counter(), "POST": collections.Counter()}
        self.aborted = 0  # answers that had begun

    async def run_client(self):
        client = Client(self.address)
        while self.asked < self.requests:
            self.asked += 1
            post = self.asked % POST_EVERY == 0
            request, wanted = (POST, b"%d\n" % len(BODY)) if post else (GET, b"hello from the service\n")
            outcome = await client.ask(request, wanted)
            if outcome != "good" and client.begun and not outcome.startswith("status"):
                self.aborted += 1
                outcome = "aborted"
            self.outcomes["POST" if post else "GET"][outcome] += 1
        client.drop()


async def disturb(service, load):
    """All of its kinds, spread evenly over the requests."""
    events = sorted((i / (count + 1), kind) for kind, count in service.times.items()
                    for i in range(1, count + 1))
    loop = asyncio.get_running_loop()
    for share, kind in events:
        while load.asked < share * load.requests:
            await asyncio.sleep(0.01)
        await loop.run_in_executor(None, getattr(service, kind))
    return len(events)


async def play(service, requests):
    load = Load(service.address, requests)
    clients = [load.run_client() for _ in range(CLIENTS)]
    events, *_ = await asyncio.gather(disturb(service, load), *clients)
    return load, events


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=("millrace", "gunicorn"), default="millrace")
    parser.add_argument("--requests", type=int, default=1_000_000)
    options = parser.parse_args()
    with {"millrace": Millrace, "gunicorn": Gunicorn}[options.server]() as service:
        load, events = asyncio.run(play(service, options.requests))
    what = ", ".join(f"{count} x {kind}" for kind, count in service.times.items())
    failed = {method: sum(n for outcome, n in counts.items() if outcome not in ("good", "aborted"))
              for method, counts in load.outcomes.items()}
    heavy.table(f"A service under {options.server}",
                f"{CLIENTS} connections, two workers; {what}. Failed: anything but the very answer.",
                ["requests", "disturbances", "GETs failed", "POSTs failed", "broken off in mid-answer"],
                [[load.asked, events, failed["GET"], failed["POST"], load.aborted]])
    print({method: dict(counts) for method, counts in load.outcomes.items()}, file=sys.stderr)
    sys.exit(1 if failed["GET"] else 0)


if __name__ == "__main__":
    main()
