"""How long a service took, as the client and the log are told."""

import http.server
import threading
import unittest

import harness


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/held":
            self.server.held.wait(harness.DEADLINE_S)
        self.send_response(200)
        self.send_header("Server-Timing", "db;dur=1.5")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


CONFIG = """
[server]
listen = ["127.0.0.1:0"]
trusted_proxies = ["127.0.0.1/32"]
proxy_protocol = "optional"
[upstream.app]
targets = ["http://127.0.0.1:{port}"]
concurrency = 1
[[route]]
match = {{ path = "/always" }}
upstream = "app"
server_timing = true
[[route]]
match = {{ path = "/never" }}
upstream = "app"
server_timing = false
[[route]]
match = {{ path = "/*" }}
upstream = "app"
"""


class Timing(unittest.TestCase):
    def setUp(self):
        self.service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        self.service.held = threading.Event()
        self.addCleanup(self.service.server_close)
        self.addCleanup(self.service.shutdown)
        threading.Thread(target=self.service.serve_forever, daemon=True).start()
        self.server = harness.Millrace(CONFIG.format(port=self.service.server_port))
        self.enterContext(self.server)

    def timing(self, path):
        return harness.get(self.server.url + path).all("server-timing")

    def test_a_client_on_loopback_is_told_unless_that_is_switched_off(self):
        theirs, ours = self.timing("/a")
        self.assertEqual(theirs, "db;dur=1.5")
        self.assertRegex(ours, r"^connect;dur=\d+\.\d\d, (send;dur=\d+\.\d\d, )?wait;dur=\d+\.\d\d$")
        self.assertEqual(self.timing("/never"), ["db;dur=1.5"])
        self.assertEqual(len(self.timing("/always")), 2)

    def test_a_client_elsewhere_is_told_only_where_that_is_wanted(self):
        def from_afar(path):
            with self.server.client() as client:
                client.send(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 80\r\n")
                return client.request(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").all("server-timing")
        self.assertEqual(from_afar("/a"), ["db;dur=1.5"])
        self.assertEqual(len(from_afar("/always")), 2)

    def test_the_log_has_the_phases(self):
        self.assertEqual(harness.get(self.server.url + "/a").status, 200)
        held = threading.Thread(target=harness.get, args=(self.server.url + "/held",))
        held.start()
        harness.wait_until(lambda: self.queue()["in_flight"] == 1, what="the held request")
        waiting = threading.Thread(target=harness.get, args=(self.server.url + "/b",))
        waiting.start()
        harness.wait_until(lambda: self.queue()["waiting"] == 1, what="a queued request")
        self.service.held.set()
        held.join()
        waiting.join()
        harness.wait_until(lambda: len(self.server.events("access")) == 3, what="three lines")
        first, second, third = sorted(self.server.events("access"), key=lambda e: e["target"])
        self.assertEqual([first["target"], second["target"], third["target"]], ["/a", "/b", "/held"])
        self.assertNotIn("queue_us", first)
        self.assertGreater(first["connect_us"], 0)
        self.assertGreater(second["queue_us"], 0)
        self.assertNotIn("dns_us", second)
        self.assertGreater(third["wait_us"], 0)
        for line in first, second, third:
            phases = sum(value for name, value in line.items()
                         if name.endswith("_us") and name != "duration_us")
            self.assertLessEqual(phases, line["duration_us"])

    def queue(self):
        return harness.get(self.server.admin + "/status").json()["queues"][0]


if __name__ == "__main__":
    unittest.main()
