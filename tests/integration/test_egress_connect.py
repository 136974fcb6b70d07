"""[[egress]]: CONNECT. Tunnels with real clients, and what opens and ends them."""

import hashlib
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest
import urllib.request

import egress
import h2client
import harness
import httpx
import peers
import pki

MIB = 1024 * 1024


def echo(connection):
    while data := connection.socket.recv(65536):
        connection.send(data)


class TunnelTest(egress.EgressTest):
    def connect(self, port, *fields, host="127.0.0.1", early=b""):
        """A client whose tunnel is open."""
        client = self.client()
        client.send("\r\n".join([f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}",
                                 *fields, "", ""]).encode() + early)
        head = harness.Response(client.receive_until(b"\r\n\r\n"))
        self.assertEqual(head.status, 200, head.head)
        for name in ("content-length", "transfer-encoding", "connection"):
            self.assertIsNone(head.header(name))
        return client

    def origin(self, play=echo):
        return self.backend(on_connection=play)


class RealClients(egress.EgressTest):
    @classmethod
    def setUpClass(cls):
        cls.authority = cls.enterClassContext(pki.Authority())
        cls.origin = cls.enterClassContext(egress.TlsOrigin(cls.authority.issue("localhost")))
        super().setUpClass()

    def test_curl(self):
        for version in ("--proxy1.0", "--proxy"):
            got = subprocess.run(
                ["curl", "-sS", version, self.proxy, "--proxy-user", "me:secret", "--cacert",
                 str(self.authority.certificate), "--data-binary", "@-", self.origin.url + "/c"],
                input=b"from curl", capture_output=True, timeout=harness.DEADLINE_S, check=True)
            self.assertEqual(got.stdout, b"from curl")
        _, path, headers = self.origin.requests[-1]
        self.assertEqual(path, "/c")
        self.assertFalse([name for name in headers if "proxy" in name.lower() or name == "Via"])
        line = self.access(method="CONNECT", target=self.origin.authority, status=200)
        self.assertEqual((line["upstream"], line["upstream_target"], line["attempts"]),
                         ("egress", self.origin.authority, 1))
        self.assertGreater(min(line["bytes_in"], line["bytes_out"]), 100)

    def test_urllib(self):
        context = ssl.create_default_context(cafile=self.authority.certificate)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({"https": self.proxy}),
            urllib.request.HTTPSHandler(context=context))
        with opener.open(self.origin.url, data=b"hello", timeout=harness.DEADLINE_S) as got:
            self.assertEqual(got.read(), b"hello")
        with self.assertRaisesRegex(OSError, "403"):
            opener.open("https://169.254.169.254/", timeout=harness.DEADLINE_S)

    def test_httpx(self):
        before = self.origin.connections
        with httpx.Client(proxies=self.proxy, verify=str(self.authority.certificate),
                          timeout=harness.DEADLINE_S) as client:
            for _ in range(3):
                self.assertEqual(client.post(self.origin.url, content=b"hi").content, b"hi")
        self.assertEqual(self.origin.connections - before, 1)


class Tunnels(TunnelTest):
    CONFIG = egress.config(server='drain_timeout = "1s"')

    def test_large_amounts_both_ways_at_once(self):
        data = bytes(range(256)) * (8 * MIB // 256)
        client = self.connect(self.origin().port)
        sender = threading.Thread(target=lambda: (client.send(data), client.finish_sending()))
        sender.start()
        self.assertEqual(hashlib.sha256(client.receive_all()).digest(),
                         hashlib.sha256(data).digest())
        sender.join()

    def test_early_bytes_come_behind_the_200(self):
        client = self.connect(self.origin().port, early=b"early")
        self.assertEqual(client.receive_exactly(5), b"early")

    def test_nothing_leaves_that_was_sent_before(self):
        backend = self.origin()
        client = self.client()
        client.send(f"CONNECT 127.0.0.1:{backend.port} HTTP/1.1\r\nHost: x\r\n"
                    "Proxy-Authorization: Basic c2VjcmV0\r\n\r\n")
        client.receive_until(b"\r\n\r\n")
        client.send("first")
        self.assertEqual(client.receive_exactly(5), b"first")
        client.finish_sending()
        self.assertEqual(client.receive_all(), b"")

    def test_the_client_ends_first(self):
        def play(connection):
            rest = b""
            while data := connection.socket.recv(65536):
                rest += data
            connection.send(b"you said: " + rest)

        client = self.connect(self.origin(play).port)
        client.send("goodbye")
        client.finish_sending()
        self.assertEqual(client.receive_all(), b"you said: goodbye")
        harness.wait_until(lambda: self.server.events("access"), what="the line")

    def test_the_origin_ends_first(self):
        heard = []

        def play(connection):
            connection.send(b"x" * MIB + b"that was all")
            connection.socket.shutdown(socket.SHUT_WR)
            while data := connection.socket.recv(65536):
                heard.append(data)

        backend = self.origin(play)
        client = self.connect(backend.port)
        self.assertTrue(client.receive_all().endswith(b"that was all"))
        client.send("still ")
        client.send("here")
        client.finish_sending()
        harness.wait_until(lambda: b"".join(heard) == b"still here", what="the rest")
        line = self.access(target=f"127.0.0.1:{backend.port}")
        self.assertEqual((line["bytes_in"], line.get("cause")), (10, None))

    def test_a_client_that_vanishes_is_told_of(self):
        ended = []

        def play(connection):
            try:
                echo(connection)
                ended.append("end")
            except ConnectionResetError:
                ended.append("reset")

        backend = self.origin(play)
        for leave, expected in ((harness.RawClient.close, "end"),
                                (harness.RawClient.reset, "reset")):
            client = self.connect(backend.port)
            client.send("hello")
            client.receive_exactly(5)
            ended.clear()
            leave(client)
            harness.wait_until(lambda: ended, what="the origin's end")
            self.assertEqual(ended, [expected])
        self.assertEqual(self.access(target=f"127.0.0.1:{backend.port}",
                                     cause="client_gone")["status"], 200)

    def test_an_origin_that_resets_is_no_clean_end(self):
        def play(connection):
            connection._until(b"now")
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1" + bytes(7))
            connection.socket.close()  # shutting it down first would be an end

        backend = self.origin(play)
        client = self.connect(backend.port)
        client.send("now")
        with self.assertRaises(ConnectionResetError):
            client.receive_all()
        self.assertEqual(self.access(target=f"127.0.0.1:{backend.port}")["cause"],
                         "upstream_reset")

    def test_whoever_does_not_read_stops_the_other(self):
        def fill(sock):
            """Sends until nothing more is taken for a while."""
            sock.settimeout(0.5)
            sent = 0
            try:
                while sent < 64 * MIB:
                    sent += sock.send(b"x" * 65536)
            except TimeoutError:
                pass
            return sent

        sent = []
        done = threading.Event()

        def play(connection):
            sent.append(fill(connection.socket))
            done.wait(harness.DEADLINE_S)

        before = self.server.rss_bytes()
        client = self.connect(self.origin(play).port)
        self.addCleanup(done.set)
        self.assertLess(fill(client.socket), 32 * MIB)
        harness.wait_until(lambda: sent, what="the origin to stop")
        self.assertLess(sent[0], 32 * MIB)
        self.assertLess(self.server.rss_bytes() - before, 8 * MIB)

    def test_the_connection_serves_no_request_again(self):
        backend = self.origin()
        client = self.connect(backend.port)
        client.send("GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n")
        client.finish_sending()
        self.assertEqual(client.receive_all(), b"GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n")

    def test_a_name_with_two_addresses(self):
        client = self.connect(self.origin().port, host="localhost")
        client.send("hello")
        self.assertEqual(client.receive_exactly(5), b"hello")


class Refusals(TunnelTest):
    def refuse(self, port, status, code, *fields, after=b""):
        """Nobody is connected to, and what follows is never a request."""
        backend = self.backend()
        client = self.client()
        client.send("\r\n".join([f"CONNECT 127.0.0.1:{port or backend.port} HTTP/1.1",
                                 "Host: x", *fields, "", ""]).encode()
                    + after + f"GET {backend.url}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        response = client.receive_response()
        self.assert_problem(response, status, code)
        self.assertTrue(client.is_closed())
        self.assertEqual(backend.connections, [])
        return response.json()

    def test_bodies(self):
        self.refuse(0, 400, "bad_content_length", "Content-Length: 5", after=b"early")
        self.refuse(0, 400, "bad_transfer_encoding", "Transfer-Encoding: chunked",
                    after=b"5\r\nearly\r\n0\r\n\r\n")

    def test_ports(self):
        for port in (1, 22, 25, 79, 81, 442, 444, 587, 1023):
            self.refuse(port, 403, "url_refused")
        self.refuse(65536, 400, "bad_host")
        # Allowed, and closed: under the same guard.
        for port in (80, 443, 1024, 65535):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    continue
            self.refuse(port, 502, "connect_refused")

    def test_targets_that_are_none(self):
        for target in ("example.com", "127.0.0.1", ":443", "/", "http://127.0.0.1:443/", "*",
                       "127.0.0.1:", "127.0.0.1:0"):
            self.assertIn(self.ask(target, method="CONNECT").status, (400,), target)

    def test_other_listeners_have_no_tunnels(self):
        backend = self.backend()
        with self.server.client() as client:
            response = client.request(f"CONNECT 127.0.0.1:{backend.port} HTTP/1.1\r\n"
                                      f"Host: x\r\n\r\n")
            self.assert_problem(response, 501, "method_unknown")
            self.assertTrue(client.is_closed())
        self.assertEqual(backend.connections, [])

    def test_http2_says_so(self):
        backend = self.backend()
        client = self.enterContext(h2client.Connection(self.door))
        block = h2client.literals([(b":method", b"CONNECT"),
                                   (b":authority", f"127.0.0.1:{backend.port}".encode())])
        stream = client.answer(client.request_block(block, end_stream=False))
        self.assertEqual(stream.status, 501)
        self.assertIn(b"HTTP/1.1", bytes(stream.body))
        self.assertEqual(backend.connections, [])


class Time(TunnelTest):
    CONFIG = egress.config(fetch='timeout = { idle = "300ms" }',
                           egress='tunnel_timeout = "2s"\nconnect_ports = ["1-65535"]',
                           server='drain_timeout = "500ms"')

    def test_a_tunnel_in_which_nobody_says_anything_ends(self):
        backend = self.origin()
        client = self.connect(backend.port)
        began = time.monotonic()
        while time.monotonic() - began < 2.5:  # one that is talked in lives on
            client.send("a")
            self.assertEqual(client.receive_exactly(1), b"a")
        self.assertTrue(client.is_closed())
        self.assertTrue(backend.connections[0].closed.wait(harness.DEADLINE_S))
        self.assertEqual(self.access(target=f"127.0.0.1:{backend.port}")["cause"],
                         "upstream_idle_timeout")

    def test_half_a_tunnel_has_less_patience(self):
        closed = threading.Event()

        def play(connection):
            connection.socket.shutdown(socket.SHUT_WR)
            connection.wait_for_close()
            closed.set()

        began = time.monotonic()
        client = self.connect(self.origin(play).port)
        self.assertEqual(client.receive_all(), b"")
        self.assertTrue(closed.wait(harness.DEADLINE_S))
        self.assertGreater(time.monotonic() - began, 0.25)

    def test_what_was_said_to_its_end_arrives_all_the_same(self):
        heard, over = [], threading.Event()

        def play(connection):
            over.wait(harness.DEADLINE_S)  # longer than the tunnel's patience
            while data := connection.socket.recv(65536):
                heard.append(len(data))
            heard.append("end")

        backend = self.origin(play)
        client = self.connect(backend.port)
        client.send(b"x" * 200_000)
        client.finish_sending()
        self.assertEqual(self.access(target=f"127.0.0.1:{backend.port}")["cause"],
                         "upstream_idle_timeout")
        over.set()
        harness.wait_until(lambda: "end" in heard, what="the end")
        self.assertEqual(sum(heard[:-1]), 200_000)

    def test_ports_are_the_operators_to_say(self):
        port = next(p for p in range(1, 80) if not self.listens(p))
        self.assert_problem(self.ask(f"127.0.0.1:{port}", method="CONNECT"),
                            502, "connect_refused")

    @staticmethod
    def listens(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0


class Drain(TunnelTest):
    CONFIG = egress.config(server='drain_timeout = "500ms"')

    def test_tunnels_go_on_until_its_time_is_over(self):
        client = self.connect(self.origin().port)
        self.server.signal(signal.SIGTERM)
        harness.wait_until(lambda: self.server.events("draining"), what="the drain")
        client.send("still here")
        self.assertEqual(client.receive_exactly(10), b"still here")
        self.assertTrue(client.is_closed())
        self.assertEqual(self.server.wait(), 0)


if __name__ == "__main__":
    unittest.main()
