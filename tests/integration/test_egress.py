"""[[egress]]: requests for whole URLs, and the gateway form for a client's base URL. What is
refused is judged by a listener that must not see a connection."""

import contextlib
import gzip
import hashlib
import signal
import socket
import subprocess
import threading
import unittest
import urllib.error
import urllib.request

import egress
import h2client
import harness
import httpx
import peers
import pki

MIB = 1024 * 1024


def answer(body=b"", *lines, status="200 OK"):
    return b"\r\n".join([b"HTTP/1.1 " + status.encode(), *(line.encode() for line in lines),
                         b"Content-Length: %d" % len(body), b"", body])


def chunked(body, pieces=7):
    size = len(body) // pieces + 1
    cut = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut) + b"0\r\n\r\n"


def echo(request):
    return answer(request.body)


class WholeUrls(egress.EgressTest):
    """Absolute-form: what HTTP_PROXY makes of programs."""

    def test_curl(self):
        backend = self.backend(echo)
        for method, body in (("GET", b""), ("POST", b"a body")):
            got = subprocess.run(["curl", "-sS", "-x", self.proxy, "--proxy-user", "me:secret",
                                  *(["--data-binary", "@-"] if body else []), backend.url + "/a?b"],
                                 input=body, capture_output=True, timeout=harness.DEADLINE_S,
                                 check=True)
            self.assertEqual(got.stdout, body)
            seen = backend.requests[-1]
            self.assertEqual((seen.method, seen.target, seen.header("host")),
                             (method, "/a?b", f"127.0.0.1:{backend.port}"))
        self.assertNotIn(b"proxy", backend.received_bytes.lower())

    def test_urllib(self):
        backend = self.backend(echo)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": self.proxy}))
        with opener.open(backend.url + "/x", data=b"hello", timeout=harness.DEADLINE_S) as got:
            self.assertEqual(got.read(), b"hello")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            opener.open("http://169.254.169.254/", timeout=harness.DEADLINE_S)
        self.assertEqual(refused.exception.code, 403)
        refused.exception.close()

    def test_httpx(self):
        backend = self.backend(echo)
        with httpx.Client(proxies=self.proxy, timeout=harness.DEADLINE_S) as client:
            for _ in range(3):
                self.assertEqual(client.post(backend.url + "/x", content=b"hello").content,
                                 b"hello")
        self.assertEqual(len(backend.connections), 1)

    def test_the_request_is_the_clients(self):
        backend = self.backend()
        self.ask(f"http://127.0.0.1:{backend.port}/a/../%62%2F?c=/./d", "Host: other.test",
                 "Accept: x/y", "X-Forwarded-For: 192.0.2.1", "Authorization: Bearer t",
                 "Cookie: a=b", "Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: 5",
                 "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic c2VjcmV0",
                 "Proxy-Thing: 1", "Proxy: http://evil", "TE: gzip", "Upgrade: h2c",
                 "HTTP2-Settings: x", "X-Kept: 1")
        self.assertEqual(backend.requests[0].head.decode().split("\r\n"), [
            "GET /a/../%62%2F?c=/./d HTTP/1.1", f"Host: 127.0.0.1:{backend.port}", "Accept: x/y",
            "X-Forwarded-For: 192.0.2.1", "Authorization: Bearer t", "Cookie: a=b", "X-Kept: 1",
            "Via: 1.1 millrace", "", ""])

    def test_the_answer_is_the_origins(self):
        body = gzip.compress(b"plain")
        backend = self.backend(answer(
            body, "Content-Encoding: gzip", "Set-Cookie: a=1", "Set-Cookie: b=2",
            "Location: http://elsewhere.test/x", "X-Request-Id: origins", "Connection: X-Hop",
            "X-Hop: 1", "Proxy-Authenticate: Basic", "Strict-Transport-Security: max-age=1",
            status="302 Found"))
        response = self.ask(backend.url + "/")
        self.assertEqual((response.status, response.body), (302, body))
        self.assertEqual(response.all("set-cookie"), ["a=1", "b=2"])
        for name, value in (("location", "http://elsewhere.test/x"), ("content-encoding", "gzip"),
                            ("x-request-id", "origins"), ("x-hop", None),
                            ("proxy-authenticate", None), ("content-security-policy", None),
                            ("strict-transport-security", "max-age=1")):
            self.assertEqual(response.header(name), value, name)
        self.assertEqual(len(backend.requests), 1)

    def test_options_and_other_methods(self):
        backend = self.backend()
        self.ask(backend.url, method="OPTIONS")
        self.ask(backend.url + "/x", method="OPTIONS")
        self.ask(backend.url + "/x", method="PURGE")
        self.assertEqual([(r.method, r.target) for r in backend.requests],
                         [("OPTIONS", "*"), ("OPTIONS", "/x"), ("PURGE", "/x")])
        self.assert_problem(self.ask(backend.url + "/x", method="TRACE"), 501, "method_unknown")
        self.assertEqual(self.ask(backend.url + "/x", method="HEAD").header("content-length"), "5")

    def test_bodies_of_any_length_both_ways(self):
        body = bytes(range(256)) * (3 * MIB // 256) + b"end"
        backend = self.backend(lambda request: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
                               b"\r\n\r\n" + chunked(request.body))
        for fields, sent in ((("Transfer-Encoding: chunked",), chunked(body)),
                             ((f"Content-Length: {len(body)}",), body)):
            response = self.ask(backend.url + "/", *fields, method="POST", body=sent)
            self.assertEqual(hashlib.sha256(response.body).digest(),
                             hashlib.sha256(body).digest())
        self.assertEqual([r.header("transfer-encoding") for r in backend.requests],
                         ["chunked", None])

    def test_expect_is_answered_here(self):
        backend = self.backend(echo)
        client = self.client()
        client.send(f"POST {backend.url}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                    "Expect: 100-continue\r\n\r\n")
        self.assertEqual(client.receive_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send("body")
        self.assertEqual(client.receive_response().body, b"body")
        self.assertIsNone(backend.requests[0].header("expect"))

    def test_clients_and_forms_share_connections(self):
        backend = self.backend()
        for _ in range(5):
            self.assertEqual(self.ask(backend.url + "/a").body, b"hello")
            self.assertEqual(self.ask(f"/http/127.0.0.1:{backend.port}/b").body, b"hello")
        self.assertEqual((len(backend.connections), len(backend.requests)), (1, 10))
        line = self.access(target="/a", reused=True)
        self.assertEqual((line["upstream"], line["upstream_target"], line["upstream_status"],
                          line["attempts"], line["route"]),
                         ("egress", f"127.0.0.1:{backend.port}", 200, 1, "egress"))

    def test_a_connection_serves_one_origin_after_another(self):
        one, other = self.backend(answer(b"one")), self.backend(answer(b"other"))
        client = self.client()
        for backend, body in ((one, b"one"), (other, b"other"), (one, b"one")):
            got = client.request(f"GET {backend.url}/ HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(got.body, body)

    def test_other_protocols_pass(self):
        def play(connection):
            connection._until(b"\r\n\r\n")
            connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                            b"Upgrade: mine\r\n\r\nhello")
            connection._until(b"bye")

        backend = self.backend(on_connection=play)
        for target in (backend.url + "/", f"/http/127.0.0.1:{backend.port}/"):
            client = self.client()
            client.send(f"GET {target} HTTP/1.1\r\nHost: {self.door.address}\r\n"
                        "Connection: Upgrade\r\nUpgrade: mine\r\n\r\n")
            self.assertEqual(client.receive_response().header("upgrade"), "mine")
            self.assertEqual(client.receive_exactly(5), b"hello")
            client.send("bye")
            self.assertTrue(client.is_closed())

    def test_a_client_that_goes_away_is_told_of(self):
        backend = self.backend(on_connection=lambda connection: (
            connection.read_request(), connection.wait_for_close()))
        client = self.client()
        client.send(f"GET {backend.url}/gone HTTP/1.1\r\nHost: x\r\n\r\n")
        harness.wait_until(lambda: backend.received_bytes, what="the request")
        client.close()
        self.assertTrue(backend.connections[0].closed.wait(harness.DEADLINE_S))
        self.assertEqual(self.access(target="/gone")["cause"], "client_gone")

    def test_a_broken_off_answer_is_no_whole_one(self):
        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

        backend = self.backend(on_connection=play)
        client = self.client()
        client.send(f"GET {backend.url}/half HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            self.assertFalse(client.receive_all().endswith(b"0\r\n\r\n"))
        self.assertEqual(self.access(target="/half")["cause"], "upstream_truncated")

    def test_failures_have_their_codes(self):
        port = harness.free_port()
        self.assert_problem(self.ask(f"http://127.0.0.1:{port}/"), 502, "connect_refused")
        self.assert_problem(self.ask("http://nosuch.invalid/"), 502, "dns_not_found")

    def test_whatever_else_is_a_page_that_explains(self):
        for target in ("/", "/https", "/livez", "/v1/fetch?url=http://example.com/", "/echo"):
            response = self.ask(target)
            self.assert_problem(response, 404, "not_found")
            self.assertIn("/https/HOST/PATH", response.json()["detail"])
        self.assert_problem(self.ask("*", method="OPTIONS"), 404, "not_found")


class Gateway(egress.EgressTest):
    """/https/HOST/PATH and /http/HOST/PATH."""

    @classmethod
    def setUpClass(cls):
        cls.authority = cls.enterClassContext(pki.Authority())
        cls.origin = cls.enterClassContext(
            egress.TlsOrigin(cls.authority.issue("localhost,127.0.0.1")))
        cls.CONFIG = egress.config(fetch=f'tls.ca = "{cls.authority.certificate}"')
        super().setUpClass()

    def test_a_base_url_over_tls(self):
        base = f"{self.proxy}/https/{self.origin.authority}/v1"
        with httpx.Client(base_url=base, timeout=harness.DEADLINE_S) as client:
            self.assertEqual(client.get("/models?limit=3").content, b"over TLS")
            self.assertEqual(client.post("/chat", content=b"question").content, b"question")
        method, path, headers = self.origin.requests[-2]
        self.assertEqual((method, path, headers.get_all("Host")),
                         ("GET", "/v1/models?limit=3", [self.origin.authority]))
        self.assertEqual(self.origin.connections, 1)
        self.assertEqual(self.access(upstream_target=self.origin.authority)["upstream"], "egress")

    def test_whole_https_urls_are_fetched_over_tls(self):
        self.assertEqual(self.ask(self.origin.url + "/x").body, b"over TLS")

    def test_certificates_are_verified(self):
        with pki.Authority() as stranger, egress.TlsOrigin(stranger.issue("localhost")) as origin:
            response = self.ask(f"/https/{origin.authority}/")
            self.assert_problem(response, 502, "tls_failed")
            self.assertNotIn("certificate", str(response.json()))
            self.assertEqual(origin.requests, [])
        event = harness.wait_until(lambda: self.server.events("egress_tls_failed"), what="why")
        self.assertIn("certificate", event[0]["error"])

    def test_redirects_stay_in_the_gateway(self):
        gateway = f"/https/{self.origin.authority}"
        plain = self.backend(answer(b"plain"))
        for location, expected in (
                (self.origin.url + "/x?y#z", f"{gateway}/x?y#z"), ("/x", f"{gateway}/x"),
                ("x", f"{gateway}/x"), (f"//{self.origin.authority}/x", f"{gateway}/x"),
                (plain.url + "/x", plain.url + "/x"),  # not with our credentials
                ("app://callback", "app://callback"), ("mailto:me@a.test", "mailto:me@a.test")):
            response = self.ask(f"{gateway}/to?{location.replace('#', '%23')}")
            if "#" in location:
                location, expected = location.replace("#", "%23"), expected.replace("#", "%23")
            self.assertEqual((response.status, response.header("location")), (302, expected))
        with httpx.Client(base_url=self.proxy + gateway, follow_redirects=True,
                          timeout=harness.DEADLINE_S) as client:
            self.assertEqual(client.get("/to?/to?/end").content, b"over TLS")
            followed = client.get(f"/to?{plain.url}/", headers={"Authorization": "secret"})
            self.assertEqual(followed.content, b"plain")
            self.assertIsNone(plain.requests[-1].header("authorization"))
        # Whole URLs are the client's to follow.
        self.assertEqual(self.ask(f"{self.origin.url}/to?/x").header("location"), "/x")

    def test_the_path_is_the_clients(self):
        backend = self.backend()
        for path in ("/a/../b", "/../x", "/%62?/../c", "/a%2Fb", "//x"):
            self.ask(f"/http/127.0.0.1:{backend.port}{path}")
            self.assertEqual(backend.requests[-1].target, path)
        self.ask(f"/http/127.0.0.1:{backend.port}")
        self.assertEqual(backend.requests[-1].target, "/")

    def test_pages_in_a_browser_may_not_use_it(self):
        backend = self.backend()
        target = f"/http/127.0.0.1:{backend.port}/"
        for site in ("cross-site", "same-site", "same-origin"):
            self.assert_problem(self.ask(target, f"Sec-Fetch-Site: {site}"), 403, "url_refused")
        for host in ("evil.test", f"evil.test:{self.door.port}", "localhost.evil.test"):
            self.assert_problem(self.ask(target, f"Host: {host}"), 403, "url_refused")
        self.assert_problem(self.ask(target, "Origin: http://127.0.0.1"), 403, "url_refused")
        self.assertEqual(backend.connections, [])
        for fields in (("Sec-Fetch-Site: none",), (f"Host: localhost:{self.door.port}",),
                       ("Host: 127.0.0.1",), ("Host: [::1]",)):
            self.assertEqual(self.ask(target, *fields).status, 200)

    def test_over_http2(self):
        backend = self.backend(echo)
        client = self.enterContext(h2client.Connection(self.door))
        stream = client.post(f"/http/127.0.0.1:{backend.port}/a/../b", b"a body")
        self.assertEqual((stream.status, bytes(stream.body)), (200, b"a body"))
        self.assertEqual(backend.requests[0].target, "/a/../b")
        self.assertEqual(client.get("/elsewhere").status, 404)


class Refusals(egress.EgressTest):
    """With the defaults, nothing of this machine or its networks can be reached."""

    CONFIG = egress.config(networks="")

    def setUp(self):
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        self.listener = self.enterContext(socket.create_server(
            ("", 0), family=family, dualstack_ipv6=family == socket.AF_INET6))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]

    def assert_refused(self, host, codes=("url_refused", "bad_parameter", "bad_host")):
        """By each of the three forms, in the same words."""
        told = []
        for method, target in (("GET", f"http://{host}/"), ("GET", f"https://{host}/"),
                               ("CONNECT", host), ("GET", f"/http/{host}/"),
                               ("GET", f"/https/{host}/")):
            response = self.ask(target, method=method)
            self.assertIn(response.status, (400, 403), target)
            self.assertIn(response.json()["code"], codes, target)
            told.append((response.status, response.json()["code"],
                         response.json().get("detail")))
        with self.assertRaises(BlockingIOError):
            self.listener.accept()
        return told

    def test_private_addresses(self):
        for host in ("127.0.0.1", "0.0.0.0", "10.1.2.3", "100.64.0.1", "169.254.169.254",
                     "172.16.0.1", "192.168.0.1", "[::]", "[::1]", "[::ffff:127.0.0.1]",
                     "[64:ff9b::7f00:1]", "[fc00::1]", "[fe80::1]", "localhost", "LOCALHOST."):
            with self.subTest(host):
                told = self.assert_refused(f"{host}:{self.port}", codes=("url_refused",))
                self.assertEqual(len(set(told)), 1, told)

    def test_refusals_do_not_tell_whether_anybody_listens(self):
        self.assertEqual(self.assert_refused(f"127.0.0.1:{self.port}"),
                         self.assert_refused(f"127.0.0.1:{harness.free_port()}"))

    def test_addresses_in_disguise(self):
        for host in ("0x7f.1", "0x7f000001", "017700000001", "0177.0.0.1", "2130706433", "127.1",
                     "127.0.0.01", "%31%32%37.0.0.1", "127.0.0.1%2F", "[fe80::1%25lo]",
                     "[127.0.0.1]", "256.1.1.1", "1.2.3.4.5"):
            with self.subTest(host):
                self.assert_refused(f"{host}:{self.port}")

    def test_user_info_and_bad_ports(self):
        for host in (f"user@127.0.0.1:{self.port}", f"u:p@127.0.0.1:{self.port}",
                     f"example.com@127.0.0.1:{self.port}", f"@127.0.0.1:{self.port}",
                     "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+80", "127.0.0.1:80:80", ":80"):
            with self.subTest(host):
                self.assert_refused(host, codes=("url_refused", "bad_parameter", "bad_host",
                                                 "bad_target"))

    def test_other_schemes(self):
        for target in ("ftp://127.0.0.1/", "file:///etc/passwd", "ws://127.0.0.1/", "unix:/x"):
            self.assert_problem(self.ask(target), 400, "bad_target")
        self.assert_problem(self.ask("/ftp/127.0.0.1/"), 404, "not_found")


class Limits(egress.EgressTest):
    """What an operator may still forbid."""

    CONFIG = egress.config(
        fetch='allow_hosts = ["nowhere.test"]\n'
              'timeout = { first_byte = "2s", idle = "2s", total = "3s" }',
        egress='allow_hosts = ["127.0.0.1", "*.invalid"]')

    def test_hosts_that_are_not_allowed(self):
        backend = self.backend()
        self.assertEqual(self.ask(backend.url + "/").status, 200)
        self.assert_problem(self.ask("http://a.invalid/"), 502, "dns_not_found")
        for host in ("localhost", "127.0.0.2", "[::1]", "invalid", "nowhere.test"):
            for method, target in (("GET", f"http://{host}:{backend.port}/"),
                                   ("GET", f"/http/{host}:{backend.port}/"),
                                   ("CONNECT", f"{host}:{backend.port}")):
                self.assert_problem(self.ask(target, method=method), 403, "url_refused")
        self.assertEqual(len(backend.connections), 1)

    def test_our_own_listeners(self):
        for address in (self.server.address, self.door.address,
                        self.server.admin.removeprefix("http://")):
            for method, target in (("GET", f"http://{address}/"), ("CONNECT", address),
                                   ("GET", f"/http/{address}/http/{address}/")):
                self.assert_problem(self.ask(target, method=method), 403, "url_refused")

    def test_time(self):
        backend = self.backend(on_connection=lambda connection: (
            connection.read_request(), connection.wait_for_close()))
        self.assert_problem(self.ask(backend.url + "/"), 504, "first_byte_timeout")

        def drip(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while not connection.closed.wait(0.1):
                connection.send(b"x")

        dripping = self.backend(on_connection=drip)
        client = self.client()
        client.send(f"GET {dripping.url}/drip HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            self.assertFalse(client.receive_all().endswith(b"0\r\n\r\n"))
        self.assertEqual(self.access(target="/drip")["cause"], "total_timeout")

    def test_status_tells_them_apart(self):
        status = harness.get(self.server.admin + "/status").json()
        self.assertEqual(status["listeners"],
                         [{"address": self.server.address, "tls": False, "egress": False},
                          {"address": self.door.address, "tls": False, "egress": True}])


class Drain(egress.EgressTest):
    def test_answers_finish_and_say_that_this_was_the_last(self):
        may_answer = threading.Event()

        def play(connection):
            connection.read_request()
            may_answer.wait(harness.DEADLINE_S)
            connection.send(peers.HELLO)

        backend = self.backend(on_connection=play)
        client = self.client()
        client.send(f"GET {backend.url}/ HTTP/1.1\r\nHost: x\r\n\r\n")
        harness.wait_until(lambda: backend.received_bytes, what="the request")
        self.server.signal(signal.SIGTERM)
        harness.wait_until(lambda: not accepts(self.door), what="the listener's end")
        may_answer.set()
        response = client.receive_response()
        self.assertEqual((response.body, response.header("connection")), (b"hello", "close"))
        client.close()
        self.assertEqual(self.server.wait(), 0)


def accepts(door):
    with socket.socket() as probe:
        return probe.connect_ex((door.host, door.port)) == 0


if __name__ == "__main__":
    unittest.main()
