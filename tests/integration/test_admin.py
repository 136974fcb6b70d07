"""The admin address: what an operator, a load balancer and Prometheus ask, and who may not."""

import re
import signal
import socket
import unittest

import harness
import peers

SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="[^"\\]*",?)+)\})? (-?[0-9.]+|\+Inf|NaN)$')


def parse_metrics(text):
    """{(name, labels): value} of an exposition; AssertionError when it is none (format 0.0.4)."""
    samples, types, helped = {}, {}, set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} twice"
            types[name] = kind
        else:
            match = SAMPLE.match(line)
            assert match, line
            name, labels, value = match.groups()
            key = (name, labels or "")
            assert key not in samples, f"{line}: twice"
            samples[key] = float(value)
            family = re.sub("_(bucket|sum|count)$", "", name)
            family = family if types.get(family) == "histogram" else name
            assert family in types and family in helped, f"{line}: no HELP or TYPE before it"
            assert (types[family] == "counter") == name.endswith("_total"), f"{line}: its name"
    return samples


class AdminTest(unittest.TestCase):
    CONFIG = ""

    def setUp(self):
        self.server = self.enterContext(harness.Millrace(self.CONFIG))
        self.host, self.port = self.server.admin.removeprefix("http://").rsplit(":", 1)

    def get(self, path, headers=()):
        return harness.get(self.server.admin + path, headers)

    def ask(self, *lines, method="GET", path="/livez"):
        """One request with exactly these fields: its Response."""
        with harness.RawClient(self.host, int(self.port)) as client:
            return client.request("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]))

    def in_flight(self):
        """A client whose request was begun, answered in part, and waits for the rest of itself."""
        client = self.enterContext(self.server.client())
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5\r\nfirst\r\n")
        client.receive_until(b"first\r\n")
        return client

    def drain(self):
        self.assertEqual(harness.post(self.server.admin + "/drain").status, 202)

    def metrics(self):
        response = self.get("/metrics")
        self.assertEqual(response.status, 200)
        return parse_metrics(response.body.decode())


class Pages(AdminTest):
    def test_livez_and_readyz(self):
        for path in ("/livez", "/readyz"):
            response = self.get(path)
            self.assertEqual(response.status, 200, path)
            self.assertEqual(response.header("cache-control"), "no-store")
            self.assertTrue(response.header("content-type").startswith("text/plain"))

    def test_status_is_json_and_counts(self):
        before = self.get("/status").json()
        harness.get(self.server.url + "/health")
        status = harness.wait_until(
            lambda: (s := self.get("/status").json())["requests"]["total"]
            > before["requests"]["total"] and s, what="the request to be counted")
        self.assertEqual((status["ready"], status["draining"]), (True, False))
        self.assertEqual(status["listeners"],
                         [{"address": self.server.address, "tls": False, "egress": False}])
        self.assertEqual(status["admin"], f"{self.host}:{self.port}")
        self.assertRegex(status["version"], r"^\d+\.\d+\.\d+")
        self.assertGreater(status["uptime_seconds"], before["uptime_seconds"])
        self.assertGreaterEqual(status["threads"], 1)

    def test_dns_is_told_and_flushed_on_all_threads(self):
        threads = self.get("/status").json()["threads"]
        dns = self.get("/dns").json()
        self.assertEqual(dns["threads"], {"answered": threads, "silent": 0})
        self.assertEqual((dns["cached"], dns["entries"]), (0, []))
        flushed = harness.post(self.server.admin + "/dns/flush")
        self.assertEqual((flushed.status, flushed.body),
                         (200, b"flushed on %d threads\n" % threads))

    def test_unknown_pages_are_404_and_say_what_there_is(self):
        for path in ("/", "/nothing", "/livez/", "/metricsx", "/v1/image/info", "/echo"):
            with self.subTest(path):
                response = self.get(path)
                self.assertEqual(response.status, 404)
                self.assertEqual(response.header("content-type"), "application/problem+json")
                self.assertIn("/metrics", response.json()["detail"])

    def test_methods(self):
        for path, allow in (("/livez", "GET, HEAD, OPTIONS"), ("/status", "GET, HEAD, OPTIONS"),
                            ("/dns", "GET, HEAD, OPTIONS"), ("/drain", "POST, OPTIONS"),
                            ("/dns/flush", "POST, OPTIONS")):
            with self.subTest(path):
                wrong = "GET" if allow.startswith("POST") else "DELETE"
                response = harness.request(self.server.admin + path, wrong)
                self.assertEqual((response.status, response.header("allow")), (405, allow))
        self.assertEqual(harness.request(self.server.admin + "/metrics", "HEAD").status, 200)

    def test_admin_pages_are_not_on_the_public_address(self):
        for path in ("/livez", "/readyz", "/metrics", "/status", "/dns"):
            self.assertEqual(harness.get(self.server.url + path).status, 404, path)
        self.assertEqual(harness.post(self.server.url + "/drain").status, 404)


class Metrics(AdminTest):
    def test_exposition_is_well_formed(self):
        response = self.get("/metrics")
        self.assertTrue(response.header("content-type").startswith("text/plain; version=0.0.4"))
        samples = parse_metrics(response.body.decode())
        ours = [name for name, _ in samples if not name.startswith("process_")]
        self.assertTrue(all(name.startswith("millrace_") for name in ours), ours)
        for name in ("millrace_connections_active", "millrace_draining",
                     "process_resident_memory_bytes", "process_open_fds"):
            self.assertIn((name, ""), samples)

    def test_requests_are_counted_by_their_outcome(self):
        before = self.metrics()
        for path in ("/health", "/health", "/nothing"):
            harness.get(self.server.url + path)
        harness.post(self.server.url + "/echo", b"x" * 1000)

        def grown(name, labels=""):
            return self.metrics()[name, labels] - before[name, labels]

        ok, wrong = (f'code="{code}",protocol="http/1.1"' for code in ("2xx", "4xx"))
        # Counted when the answer is over, which may be after the client has it.
        harness.wait_until(lambda: grown("millrace_requests_total", ok) >= 3, what="the counts")
        harness.wait_until(lambda: grown("millrace_requests_total", wrong) >= 1, what="the counts")
        self.assertEqual(grown("millrace_requests_total", wrong), 1)
        self.assertEqual(grown("millrace_connections_accepted_total"), 4)
        self.assertEqual(grown("millrace_request_body_bytes_total"), 1000)
        self.assertGreaterEqual(grown("millrace_response_body_bytes_total"), 1000)
        self.assertEqual(grown("millrace_request_duration_seconds_count"), 4)

    def test_histogram_adds_up(self):
        for _ in range(20):
            harness.get(self.server.url + "/health")
        samples = self.metrics()
        buckets = [value for (name, _), value in samples.items()
                   if name == "millrace_request_duration_seconds_bucket"]
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual(buckets[-1], samples["millrace_request_duration_seconds_count", ""])

    def test_active_connections_come_and_go(self):
        def active(count):
            harness.wait_until(lambda: self.metrics()["millrace_connections_active", ""] == count,
                               what=f"{count} connections")

        active(0)
        clients = [self.server.client() for _ in range(3)]
        active(3)
        for client in clients:
            client.close()
        active(0)


class UpstreamMetrics(unittest.TestCase):
    def test_upstream_requests_connections_and_errors(self):
        with peers.Backend(lambda r: None if r.target == "/bad" else peers.HELLO) as backend:
            config = (f'[server]\nlisten = ["127.0.0.1:0"]\nthreads = 1\n'
                      f'[upstream.b]\ntargets = ["{backend.url}"]\n'
                      '[[route]]\nmatch = { path = "/*" }\nupstream = "b"\n')
            with harness.Millrace(config) as server:
                for path in ("/", "/", "/"):
                    harness.get(server.url + path)
                harness.post(server.url + "/bad")
                text = harness.get(server.admin + "/metrics").body.decode()
        samples = parse_metrics(text)
        for name, value in (("requests_total", 4), ("errors_total", 1), ("connections_total", 1),
                            ("connections_reused_total", 3)):
            self.assertEqual(samples["millrace_upstream_" + name, ""], value, name)


class WhoMayAsk(AdminTest):
    def test_own_names_are_answered(self):
        for host in (f"127.0.0.1:{self.port}", f"localhost:{self.port}", "localhost", "127.0.0.1",
                     "LOCALHOST.", "[::1]:9901"):
            with self.subTest(host):
                self.assertEqual(self.ask(f"Host: {host}").status, 200)

    def test_other_names_are_refused(self):
        # A page whose own name was made to resolve to 127.0.0.1 (DNS rebinding) says its own name.
        for host in ("evil.example", f"evil.example:{self.port}", "localhost.evil.example",
                     "127.0.0.1.evil.example", "192.0.2.1", "[2001:db8::1]", "0.0.0.0"):
            for method, path in (("GET", "/status"), ("POST", "/drain")):
                with self.subTest(host, path=path):
                    response = self.ask(f"Host: {host}", "Content-Length: 0", method=method,
                                        path=path)
                    self.assertEqual(response.status, 421)
        self.assertEqual(self.get("/readyz").status, 200)

    def test_pages_of_other_origins_are_refused(self):
        own = f"Host: 127.0.0.1:{self.port}"
        for line in ("Origin: http://evil.example", "Origin: null", "Origin: https://127.0.0.1",
                     "Origin: http://127.0.0.1:1", "Sec-Fetch-Site: cross-site",
                     "Sec-Fetch-Site: same-site"):
            for method, path in (("GET", "/status"), ("POST", "/drain")):
                with self.subTest(line, path=path):
                    response = self.ask(own, line, "Content-Length: 0", method=method, path=path)
                    self.assertEqual(response.status, 403)
                    self.assertEqual(response.all("access-control-allow-origin"), [])
        for line in (f"Origin: http://127.0.0.1:{self.port}", "Sec-Fetch-Site: same-origin",
                     "Sec-Fetch-Site: none"):
            with self.subTest(line):
                self.assertEqual(self.ask(own, line).status, 200)

    def test_large_bodies_are_refused(self):
        response = self.ask("Host: localhost", "Content-Length: 1000000", method="POST",
                            path="/drain")
        self.assertIn(response.status, (202, 413))


class UnixSocket(unittest.TestCase):
    CONFIG = '[admin]\nlisten = "unix:admin.sock"\n[server]\nlisten = ["127.0.0.1:0"]\n'

    def test_admin_on_a_unix_socket(self):
        # `admin` of the ready line is no URL then: the harness only knows TCP addresses.
        with harness.Millrace(self.CONFIG) as server, socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(server.directory / "admin.sock"))
            sock.settimeout(harness.DEADLINE_S)
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := sock.recv(4096):
                answer += piece
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
            self.assertEqual(server.terminate(), 0, server.tail())
            self.assertFalse((server.directory / "admin.sock").exists())


class Drain(AdminTest):
    CONFIG = '[server]\nlisten = ["127.0.0.1:0"]\ndrain_timeout = "15s"\n'

    def refuses(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.server.host, self.server.port)) != 0

    def test_drain_finishes_what_is_in_flight_and_ends_with_0(self):
        client = self.in_flight()
        self.drain()
        # For load balancers: not ready any more, but alive.
        ready = self.get("/readyz")
        self.assertEqual((ready.status, ready.body), (503, b"draining\n"))
        self.assertEqual(self.get("/livez").status, 200)
        self.assertTrue(self.get("/status").json()["draining"])
        self.assertEqual(self.metrics()["millrace_draining", ""], 1)
        harness.wait_until(self.refuses, what="new connections to be refused")
        client.send("4\r\nlast\r\n0\r\n\r\n")
        self.assertEqual(client.receive_until(b"0\r\n\r\n"), b"4\r\nlast\r\n0\r\n\r\n")
        # It was not told to go, so it may still ask: only its own end ends the drain early.
        client.close()
        self.assertEqual(self.server.wait(deadline_s=10), 0, self.server.tail())

    def test_drain_without_connections_ends_at_once(self):
        self.drain()
        self.assertEqual(self.server.wait(deadline_s=10), 0, self.server.tail())

    def test_idle_connection_hears_of_it_with_its_next_answer(self):
        with self.server.client() as client:
            request = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
            self.assertIsNone(client.request(request).header("connection"))
            self.drain()
            harness.wait_until(self.refuses, what="new connections to be refused")
            response = client.request(request)
            self.assertEqual((response.status, response.header("connection")), (200, "close"))
            self.assertTrue(client.is_closed())
        self.assertEqual(self.server.wait(deadline_s=10), 0, self.server.tail())

    def test_two_drains_are_one(self):
        client = self.in_flight()
        self.drain()
        self.drain()
        client.send("0\r\n\r\n")
        self.assertEqual(client.receive_until(b"\r\n\r\n"), b"0\r\n\r\n")
        client.close()
        self.assertEqual(self.server.wait(deadline_s=10), 0, self.server.tail())

    def test_the_first_signal_after_it_only_asks_for_the_same(self):
        client = self.in_flight()
        self.drain()
        self.server.signal(signal.SIGTERM)
        client.send("0\r\n\r\n")
        self.assertEqual(client.receive_until(b"\r\n\r\n"), b"0\r\n\r\n")
        client.close()
        self.assertEqual(self.server.wait(deadline_s=10), 0, self.server.tail())

    def test_the_second_signal_ends_it_now(self):
        client = self.in_flight()
        self.drain()
        self.server.signal(signal.SIGTERM)
        harness.wait_until(lambda: "SigPnd:\t0000000000000000" in self.server.status()
                           and "ShdPnd:\t0000000000000000" in self.server.status(),
                           what="the first signal taken")
        self.server.signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(deadline_s=10), 0, self.server.tail())
        self.assertTrue(client.is_closed())


class DrainTimeout(AdminTest):
    CONFIG = '[server]\nlisten = ["127.0.0.1:0"]\ndrain_timeout = "200ms"\n'

    def test_nothing_outlives_it(self):
        clients = [self.in_flight(), self.enterContext(self.server.client())]
        self.drain()
        self.assertEqual(self.server.wait(deadline_s=10), 0, self.server.tail())
        for client in clients:
            self.assertTrue(client.is_closed())


if __name__ == "__main__":
    unittest.main()
