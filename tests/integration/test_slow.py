"""Clients that take their time, on purpose: slowhttptest's four attacks, and the same over HTTP/2.
They are sent away when their time is over, and everybody else is served meanwhile."""

import csv
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from hyperframe.frame import DataFrame, SettingsFrame

import h2client
import harness
import peers

SLOW_CLIENTS = 200
CONFIG = '''
    [server]
    listen = ["127.0.0.1:0"]
    threads = 1
    head_timeout = "2s"
    idle_timeout = "2s"
    write_timeout = "2s"
    body_rate_min = "1KiB"
    body_rate_grace = "2s"
    [upstream.backend]
    targets = ["{url}"]
    [[route]]
    match = {{ path = "/upload" }}
    upstream = "backend"
    [[route]]
    match = {{ path = "/*" }}
    endpoint = "all"
'''
# Far more than a busy machine takes, far less than an attack that is not ended.
PROBE_S = 10


class Probes:
    """A new connection and a request, again and again, until it is told to stop."""

    def __init__(self, server):
        self.server = server
        self.took, self.failures = [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                status = harness.get(self.server.url + "/bytes?n=5").status
            except (OSError, AssertionError) as error:
                status = error
            if status != 200:
                self.failures.append(status)
            self.took.append(time.monotonic() - began)
            self._stop.wait(harness.POLL_INTERVAL_S)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(harness.DEADLINE_S)


class Slow(unittest.TestCase):
    def setUp(self):
        self.backend = self.enterContext(peers.Backend())
        self.server = self.enterContext(harness.Millrace(CONFIG.format(url=self.backend.url)))
        self.before = (self.server.fds(), self.server.rss_bytes())
        self.probes = Probes(self.server)

    def assert_recovered(self):
        """All probes were answered at once; descriptors and memory are back."""
        self.assertEqual(self.probes.failures, [])
        self.assertGreater(len(self.probes.took), 10)
        self.assertLess(max(self.probes.took), PROBE_S)
        harness.wait_until(lambda: self.server.fds() <= self.before[0] + 5,
                           what="the descriptors to be closed")
        self.assertLess(self.server.rss_bytes() - self.before[1], 48 * 1024 * 1024)
        user, system = self.server.cpu_seconds()
        self.assertLess(user + system, 10)  # spinning for the whole attack takes more


@unittest.skipUnless(shutil.which("slowhttptest"), "slowhttptest is missing")
class Slowhttptest(Slow):
    """Each run ends by itself when the server has closed every connection, as far as it looks."""

    def attack(self, *arguments, path="/", end="No open connections left"):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-test-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        with self.probes:
            done = subprocess.run(
                ["slowhttptest", "-c", str(SLOW_CLIENTS), "-r", "200", "-l", "8", "-p", "3",
                 "-u", self.server.url + path, "-g", "-o", str(directory / "result"), *arguments],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True, check=False)
        with open(directory / "result.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
        # Its own probe, with all of them connected.
        self.assertNotIn("0", {row["Service Available"] for row in rows}, rows)
        self.assertIn(end, done.stdout)
        self.assert_recovered()

    def test_heads(self):
        self.attack("-H", "-i", "1", "-t", "GET")

    def test_bodies(self):
        self.attack("-B", "-i", "1", "-s", "8192", "-x", "10", "-t", "POST", path="/upload")

    def test_ranges(self):
        self.attack("-R", "-a", "1", "-b", "3000", "-t", "HEAD", path="/bytes?n=100000")

    def test_reading(self):
        # It looks at its sockets too seldom to see their ends; the log has seen them.
        self.attack("-X", "-n", "1", "-z", "16", "-w", "128", "-y", "256", "-k", "1",
                    path="/bytes?n=5000000", end="Hit test time limit")
        causes = [e.get("cause") for e in self.server.events("access")]
        self.assertGreater(causes.count("write_stalled"), SLOW_CLIENTS * 0.9)


class SlowHttp2(Slow):
    def run_slowly(self, open_one, drip=None, count=50):
        """`open_one(client)` begins something on each connection, `drip(client)` goes on with it
        until the server has closed them all."""
        with self.probes:
            clients = [self.enterContext(h2client.Connection(self.server, polite=False))
                       for _ in range(count)]
            for client in clients:
                client.send(SettingsFrame(0, flags=["ACK"]))
                open_one(client)
            left = list(clients)
            give_up_at = time.monotonic() + harness.DEADLINE_S
            while left:
                self.assertLess(time.monotonic(), give_up_at, f"{len(left)} live on")
                left = [client for client in left if self.lives(client, drip)]
                time.sleep(harness.POLL_INTERVAL_S)
        for client in clients:
            client.close()
        self.assert_recovered()
        return clients

    @staticmethod
    def lives(client, drip):
        try:
            if drip is not None:
                drip(client)
            while client.readable(0):
                client.read()
        except (h2client.Closed, OSError):
            return False
        return not any(stream.over for stream in client.streams.values())

    def test_preface(self):
        with self.probes:
            clients = [self.enterContext(h2client.Connection(self.server, polite=False,
                                                             start=False)) for _ in range(50)]
            for client in clients:
                client.send_bytes(h2client.PREFACE[:20])
            for client in clients:
                client.run_to_end()
        self.assert_recovered()

    def test_heads(self):
        def open_one(client):
            block = client.block()
            client.send(client.headers_frame(client.new_id(), block[:5], flags=()))

        self.run_slowly(open_one)

    def test_bodies(self):
        clients = self.run_slowly(
            lambda client: client.request("POST", "/upload", end_stream=False),
            lambda client: client.send(DataFrame(1, b"x")))
        for client in clients:
            stream = client.streams[1]
            self.assertTrue(stream.status == 408 or stream.reset is not None or client.eof)

    def test_bodies_that_never_begin(self):
        self.run_slowly(lambda client: client.request(
            "POST", "/upload", [("content-length", "1000")], end_stream=False))

    def test_reading(self):
        self.run_slowly(lambda client: client.request(path="/bytes?n=5000000"),
                        lambda client: client.give_window(1, 1))

    def test_connections_without_a_word(self):
        self.run_slowly(lambda client: None)


# The cases of its subclasses are what is run.
del Slow


if __name__ == "__main__":
    unittest.main()
