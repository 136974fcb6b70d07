"""Steady requests to a service that is deployed, killed and reloaded. Started by ./run."""

import argparse
import asyncio
import collections
import json
import signal
import sys
import time

import heavy
import servers

RESULTS = heavy.ROOT / "loadtest" / "results"
CLIENTS = 32
POST_EVERY = 5
BODY = b"x" * 1000
ANSWER_S = 30
BACK_OFF_S = 0.05  # of a client that finds the port refused
SILENCE_MAX_S = 180  # without any good answer: the service is gone for good
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CLOSED = ("ConnectionResetError", "BrokenPipeError", "IncompleteReadError")
COLUMNS = ["supervisor", "requests", "a deploy, s", "GETs failed", "in deploys", "after kills", "refused",
           "repeated in vain", "POSTs failed", "broken off in mid-answer", "longest without an answer, s"]


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
                connecting = asyncio.open_connection(*self.address)
                self.reader, self.writer = await asyncio.wait_for(connecting, ANSWER_S)
            self.writer.write(request)
            return await self._answer(wanted)
        except ConnectionRefusedError:
            return "refused"
        except (OSError, EOFError, IndexError, asyncio.TimeoutError) as error:
            self.drop()
            self.begun = self.begun or bool(getattr(error, "partial", b""))
            return "aborted" if self.begun else type(error).__name__

    async def _answer(self, wanted):
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), ANSWER_S)
        self.begun = True
        fields = head.lower()
        length = int(fields.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        body = await asyncio.wait_for(self.reader.readexactly(length), ANSWER_S)
        if b"connection: close" in fields:
            self.drop()
        status = head.split(b" ", 2)[1]
        if status != b"200":
            return f"status {status.decode()}"
        return "good" if body == wanted else "wrong body"

    def drop(self):
        if self.writer is not None:
            self.writer.close()
        self.writer = None


class Load:
    """Clients that ask until all is asked and all has happened that was to happen meanwhile."""

    def __init__(self, address, requests):
        self.address, self.requests = address, requests
        self.asked = 0
        self.phase = "start"  # what has happened last
        self.disturbed = False  # all of it has
        self.outcomes = collections.Counter()  # (phase, method, outcome)
        self.repeated = collections.Counter()  # outcome -> GETs whose connection was closed, asked once more
        self.last_good = time.monotonic()
        self.longest_gap = 0

    async def run_client(self):
        client = Client(self.address)
        while self.asked < self.requests or not self.disturbed:
            self.asked += 1
            post = self.asked % POST_EVERY == 0
            request, wanted = (POST, b"%d\n" % len(BODY)) if post else (GET, b"hello from the service\n")
            outcome = await client.ask(request, wanted)
            self.note("POST" if post else "GET", outcome)
            if outcome in CLOSED and not post:  # what many clients do with a GET
                self.repeated[await client.ask(request, wanted)] += 1
            if outcome == "refused":
                await asyncio.sleep(BACK_OFF_S)
        client.drop()

    def stop(self):
        self.requests, self.disturbed = 0, True

    def note(self, method, outcome):
        self.outcomes[self.phase, method, outcome] += 1
        now = time.monotonic()
        gap = now - self.last_good
        if outcome == "good":
            self.last_good = now
            self.longest_gap = max(self.longest_gap, gap)
        elif gap > SILENCE_MAX_S:
            raise AssertionError(f"no good answer for {gap:.0f} s, since a {self.phase}: {outcome}")

    def count(self, **wanted):
        """Of the outcomes with these values of phase, method and outcome."""
        names = ("phase", "method", "outcome")
        return sum(n for key, n in self.outcomes.items() if wanted.items() <= dict(zip(names, key)).items())

    def failed(self, **wanted):
        """None of them had begun to be answered."""
        return (self.count(**wanted) - self.count(**wanted, outcome="good")
                - self.count(**wanted, outcome="aborted"))


async def disturb(service, load):
    """All of its kinds in turn, at even distances of requests: how long each took, in seconds."""
    events = [kind for _, kind in sorted((i / (count + 1), kind) for kind, count in service.times.items()
                                         for i in range(1, count + 1))]
    loop = asyncio.get_running_loop()
    took = {kind: [] for kind in service.times}
    for number, kind in enumerate(events, 1):
        while load.asked < number / (len(events) + 1) * load.requests:
            await asyncio.sleep(0.01)
        load.phase = kind
        began = time.monotonic()
        await loop.run_in_executor(None, getattr(service, kind))
        took[kind].append(round(time.monotonic() - began, 3))
    load.disturbed = True
    return took


async def play(service, requests):
    load = Load(service.address, requests)
    clients = [load.run_client() for _ in range(CLIENTS)]
    # As a KeyboardInterrupt: what is under way comes to its end, and then the service is ended.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    try:
        took, *_ = await asyncio.gather(disturb(service, load), *clients)
    finally:
        load.stop()  # where a disturbance fails; a cancelled wait_for that has its result goes on
    return load, took


def row_of(name, load, took):
    """In the order of COLUMNS."""
    get = {"method": "GET"}
    in_vain = load.repeated.total() - load.repeated["good"]
    return [name, load.asked, f"{heavy.median(took['deploy']):.2f}", load.failed(**get),
            load.failed(**get, phase="deploy"), load.failed(**get, phase="kill"), load.count(**get, outcome="refused"),
            in_vain, load.failed(method="POST"), load.count(outcome="aborted"), f"{load.longest_gap:.2f}"]


def measure(name, requests):
    """All that was counted and timed."""
    with servers.SERVERS[name]() as service:
        began = time.monotonic()
        try:
            load, took = asyncio.run(play(service, requests))
        except (AssertionError, asyncio.CancelledError) as error:
            sys.exit(f"{name}: {str(error) or 'ended by SIGTERM'}")
        seconds = time.monotonic() - began
    outcomes = {" ".join(key): n for key, n in sorted(load.outcomes.items())}
    stuck = getattr(service, "stuck", 0)
    heavy.note(f"{name}: {seconds:.0f} s, {stuck} restarts took a SIGKILL; {json.dumps(outcomes)}; "
               f"GETs asked once more: {json.dumps(load.repeated)}")
    return {"row": row_of(name, load, took), "seconds": round(seconds, 1), "took": took, "stuck": stuck,
            "outcomes": outcomes, "repeated": load.repeated, "GETs failed": load.failed(method="GET")}


def method_text():
    what = ", ".join(f"{count} x {kind}" for kind, count in servers.TIMES.items())
    return (f"{CLIENTS} keep-alive connections to two uvicorn workers, a POST in {POST_EVERY} requests; {what} (the "
            f"last two are Millrace's alone). Failed: anything but the very answer. A client waits "
            f"{BACK_OFF_S * 1000:.0f} ms after a refused connection, and asks a GET whose connection was closed once "
            f"more, which is not among the requests.")


def main():
    parser = argparse.ArgumentParser(prog="loadtest/deploys/run", description=__doc__)
    parser.add_argument("--server", action="append", choices=(*servers.SERVERS, "all"),
                        help="may be given several times (millrace)")
    parser.add_argument("--requests", type=int, default=1_000_000, help="to each (1,000,000)")
    options = parser.parse_args()
    names = options.server or ["millrace"]
    names = servers.SERVERS if "all" in names else dict.fromkeys(names)
    found = {name: measure(name, options.requests) for name in names}
    rows = [run["row"] for run in found.values()]
    text = heavy.table_text("A service that is deployed", method_text(), COLUMNS, rows)
    print(text, flush=True)
    if len(found) == len(servers.SERVERS):
        write(text, found)
    if "millrace" in found and found["millrace"]["GETs failed"]:
        sys.exit("GETs failed under Millrace")


def write(text, found):
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "deploys.md").write_text(text + "\n")
    (RESULTS / "deploys.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
