"""The doors that take a URL from a client: /v1/fetch and ?url=. What they refuse is judged by a
listener that must not see a single connection."""

import contextlib
import gzip
import json
import socket
import threading
import unittest
import urllib.parse
import zlib

import harness
import peers

PHOTO = (harness.ROOT / "tests" / "support" / "images" / "raccoon.jpg").read_bytes()
LOOPBACK = '[fetch]\nallow_networks = ["127.0.0.1/32"]\n'
PROBLEM = "application/problem+json"


def answer(body=b"", *lines, status="200 OK"):
    """A whole response with Content-Length."""
    return b"\r\n".join([b"HTTP/1.1 " + status.encode(), *(line.encode() for line in lines),
                         b"Content-Length: %d" % len(body), b"", body])


def redirect(to, status=302):
    return answer(b"elsewhere", f"Location: {to}", status=f"{status} Elsewhere")


class FetchTest(unittest.TestCase):
    CONFIG = LOOPBACK

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Millrace(cls.CONFIG))

    def backend(self, answer_, **options):
        if isinstance(answer_, bytes):
            return self.enterContext(peers.Backend(lambda request: answer_, **options))
        return self.enterContext(peers.Backend(answer_, **options))

    def door(self, url, path="/v1/fetch"):
        return f"{self.server.url}{path}?url={urllib.parse.quote(url, safe='')}"

    def fetch(self, url, method="GET", headers=(), body=b""):
        return harness.request(self.door(url), method, headers, body)

    def assert_problem(self, response, status, code):
        self.assertEqual((response.status, response.header("content-type")), (status, PROBLEM),
                         response.body)
        self.assertEqual(response.json()["code"], code)


class Refusals(FetchTest):
    """With the defaults, nothing of this machine or its networks can be reached."""

    CONFIG = ""

    def setUp(self):
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        self.listener = self.enterContext(socket.create_server(
            ("", 0), family=family, dualstack_ipv6=family == socket.AF_INET6))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]

    def assert_refused(self, url, path="/v1/fetch", codes=("url_refused", "bad_parameter")):
        response = harness.get(self.door(url, path))
        self.assertIn(response.status, (400, 403), response.body)
        self.assertEqual(response.header("content-type"), PROBLEM)
        self.assertIn(response.json()["code"], codes)
        self.assertEqual(response.all("server-timing"), [])
        with self.assertRaises(BlockingIOError):
            self.listener.accept()
        return response

    def test_private_addresses(self):
        for host in ("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "100.64.0.1",
                     "169.254.169.254", "168.63.129.16", "172.16.0.1", "172.31.255.255",
                     "192.0.0.192", "192.0.2.1", "192.168.0.1", "198.18.0.1", "198.51.100.1",
                     "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::]", "[::1]",
                     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
                     "[64:ff9b:1::1]", "[100::1]", "[2001::1]", "[2001:db8::1]",
                     "[2002:7f00:1::1]", "[fc00::1]", "[fe80::1]", "[ff02::1]"):
            with self.subTest(host):
                response = self.assert_refused(f"http://{host}:{self.port}/",
                                               codes=("url_refused",))
                self.assertEqual(response.status, 403)

    def test_names_that_resolve_to_them(self):
        for host in ("localhost", "LOCALHOST", "localhost.", socket.gethostname()):
            with self.subTest(host):
                with contextlib.suppress(OSError):
                    socket.getaddrinfo(host, None)
                    self.assert_refused(f"http://{host}:{self.port}/")

    def test_addresses_in_disguise(self):
        for host in ("0x7f.1", "0x7f000001", "017700000001", "0177.0.0.1", "2130706433", "127.1",
                     "127.0.1", "127.0.0.1.", "127.0.0.01", "127.0.0.1%20", "%31%32%37.0.0.1",
                     "１２７.0.0.1", "127。0。0。1", "ⓛocalhost", "[::1%25lo]",
                     "[fe80::1%lo]", "[::127.0.0.1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::1",
                     "[127.0.0.1]", "127.0.0.1\x00.example.com", "localhost\t", "", "256.1.1.1",
                     "1.2.3.4.5", "127.0.0.1#.example.com", "127.0.0.1\\.example.com"):
            with self.subTest(host):
                self.assert_refused(f"http://{host}:{self.port}/")

    def test_urls_that_parsers_read_differently(self):
        local = f"127.0.0.1:{self.port}"
        for url in (f"http://user@{local}/", f"http://user:pw@{local}/", f"http://@{local}/",
                    f"http://example.com@{local}/", f"http://{local}@example.com/",
                    f"http://{local}\\@example.com/", f"http:\\\\{local}/", f"http:/{local}/",
                    f"http:///{local}/", f"http:{local}", f"//{local}/", local, "",
                    f" http://{local}/", f"http://{local}/ x", f"http://{local}/\r\nHost: x",
                    f"http://{local}/\nx", f"http://{local}/\0", f"http://{local}/\t", "http://",
                    f"http://127.0.0.1:{self.port}x/", f"http://127.0.0.1:-{self.port}/",
                    f"http://127.0.0.1:+{self.port}/", "http://127.0.0.1:65536/",
                    "http://127.0.0.1:0/", f"http://127.0.0.1:{self.port}:80/"):
            with self.subTest(url):
                self.assert_refused(url)

    def test_other_schemes(self):
        for url in ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:25/x",
                    "unix:/run/x.sock", "javascript:alert(1)", "data:text/plain,x", "dict://x/",
                    "ws://127.0.0.1/", "HTTPS+unix://x/", "about:blank"):
            with self.subTest(url):
                self.assert_refused(url)

    def test_inputs_by_url_have_the_same_guard(self):
        for path in ("/v1/image/grayscale", "/v1/image/info", "/v1/compute/wordcount"):
            for host in ("127.0.0.1", "[::1]", "localhost", "0x7f.1", "169.254.169.254"):
                with self.subTest(path, host=host):
                    self.assert_refused(f"http://{host}:{self.port}/", path)

    def test_refusals_do_not_tell_whether_anybody_listens(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            answers = [self.assert_refused(f"http://127.0.0.1:{port}/").json()
                       for port in (self.port, closed.getsockname()[1])]
        for told in answers:
            told.pop("request_id", None)
        self.assertEqual(answers[0], answers[1])
        self.assertNotIn("127.0.0.1", json.dumps(answers[0]))

    def test_own_listeners_are_refused_even_where_loopback_is_allowed(self):
        with harness.Millrace(LOOPBACK) as server:
            for url in (server.url + "/health", server.admin + "/status"):
                response = harness.get(f"{server.url}/v1/fetch?url={url}")
                self.assert_problem(response, 403, "url_refused")

    def test_parameter(self):
        for query in ("", "?url=", "?uri=http://example.com/", "?url=a&url=b", "?url=%zz"):
            with self.subTest(query):
                response = harness.get(self.server.url + "/v1/fetch" + query)
                self.assert_problem(response, 400, "bad_parameter")


class Hosts(unittest.TestCase):
    def test_only_allowed_names_are_fetched(self):
        config = '[fetch]\nallow_networks = ["127.0.0.1/32"]\nallow_hosts = ["127.0.0.1"]\n'
        with peers.Backend() as backend, harness.Millrace(config) as server:
            door = server.url + "/v1/fetch?url="
            self.assertEqual(harness.get(door + backend.url).body, b"hello")
            for host in ("localhost", "127.0.0.2", "example.com", "[::1]"):
                response = harness.get(f"{door}http://{host}:{backend.port}/")
                self.assertEqual(response.status, 403, response.body)
            self.assertEqual(len(backend.requests), 1)

    def test_fetching_can_be_switched_off(self):
        config = '[fetch]\nallow_networks = ["127.0.0.1/32"]\nallow_hosts = []\n'
        with peers.Backend() as backend, harness.Millrace(config) as server:
            for path in ("/v1/fetch", "/v1/compute/wordcount", "/v1/image/info"):
                response = harness.get(f"{server.url}{path}?url={backend.url}")
                self.assertEqual((response.status, response.json()["code"]), (403, "url_refused"))
            self.assertEqual(backend.connections, [])


class Passing(FetchTest):
    def test_answer_comes_through(self):
        backend = self.backend(answer(b"body", "Content-Type: text/x-mine", "ETag: \"1\"",
                                      "X-Other: a", "X-Other: b"))
        response = self.fetch(backend.url + "/path?q=1&r=a%20b#fragment")
        self.assertEqual((response.status, response.body), (200, b"body"))
        self.assertEqual(response.header("content-type"), "text/x-mine")
        self.assertEqual(response.header("etag"), '"1"')
        self.assertEqual(response.all("x-other"), ["a", "b"])
        self.assertRegex(response.header("server-timing"), r"\bwait;dur=[\d.]+")
        received = backend.requests[0]
        self.assertEqual(received.target, "/path?q=1&r=a%20b")
        self.assertEqual(received.all("host"), [f"127.0.0.1:{backend.port}"])

    def test_errors_of_the_origin_come_through_too(self):
        backend = self.backend(answer(b"gone", status="410 Gone"))
        self.assertEqual((self.fetch(backend.url).status, self.fetch(backend.url).body),
                         (410, b"gone"))

    def test_what_is_fetched_cannot_act_in_our_name(self):
        backend = self.backend(answer(
            b"<script>", "Content-Type: text/html", "Set-Cookie: a=1", "Set-Cookie2: b=2",
            "Content-Security-Policy: default-src *", "X-Content-Type-Options: no",
            "Strict-Transport-Security: max-age=1", "Clear-Site-Data: \"*\"", "Refresh: 0;url=/",
            "Alt-Svc: h2=\":443\"", "Service-Worker-Allowed: /", "NEL: {}"))
        response = self.fetch(backend.url)
        self.assertEqual(response.all("content-security-policy"), ["sandbox"])
        self.assertEqual(response.all("x-content-type-options"), ["nosniff"])
        for name in ("set-cookie", "set-cookie2", "strict-transport-security", "clear-site-data",
                     "refresh", "alt-svc", "service-worker-allowed", "nel"):
            self.assertEqual(response.all(name), [], name)

    def test_only_chosen_fields_go_out(self):
        backend = self.backend(peers.HELLO)
        self.fetch(backend.url, headers=[
            ("Accept", "text/html"), ("Accept-Language", "de"), ("Accept-Encoding", "gzip"),
            ("Range", "bytes=0-1"), ("If-None-Match", '"x"'), ("If-Modified-Since", "never"),
            ("Cookie", "secret=1"), ("Authorization", "Basic secret"), ("Origin", "http://o"),
            ("Referer", "http://r/secret"), ("X-Forwarded-For", "1.2.3.4"), ("User-Agent", "me"),
            ("Proxy-Authorization", "secret"), ("Forwarded", "for=secret"), ("Via", "1.1 secret"),
            ("Fetch-Header-Authorization", "Bearer chosen"), ("Fetch-Header-X-Key", "k")])
        received = backend.requests[0]
        for name, value in (("accept", "text/html"), ("accept-language", "de"),
                            ("accept-encoding", "gzip"), ("range", "bytes=0-1"),
                            ("if-none-match", '"x"'), ("if-modified-since", "never"),
                            ("authorization", "Bearer chosen"), ("x-key", "k"),
                            ("user-agent", "millrace")):
            self.assertEqual(received.all(name), [value], name)
        for name in ("cookie", "origin", "referer", "x-forwarded-for", "proxy-authorization",
                     "forwarded", "via", "fetch-header-x-key"):
            self.assertEqual(received.all(name), [], name)
        self.assertNotIn(b"secret", backend.received_bytes)

    def test_fields_that_may_not_be_chosen(self):
        backend = self.backend(peers.HELLO)
        for name in ("Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE",
                     "X-Forwarded-For", "Forwarded", "Expect", "Proxy-Authorization", ""):
            with self.subTest(name):
                response = self.fetch(backend.url, headers=[("Fetch-Header-" + name, "x")])
                self.assert_problem(response, 400, "bad_parameter")
        self.assertEqual(backend.connections, [])

    def test_methods(self):
        backend = self.backend(lambda request: (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" if request.method == "HEAD"
            else answer(request.body)))
        head = self.fetch(backend.url, "HEAD")
        self.assertEqual((head.status, head.header("content-length")), (200, "5"))
        posted = self.fetch(backend.url, "POST", [("Content-Type", "text/x")], b"body" * 10_000)
        self.assertEqual(posted.body, b"body" * 10_000)
        self.assertEqual(backend.requests[-1].header("content-type"), "text/x")
        with self.server.client() as client:
            client.send(f"POST /v1/fetch?url={backend.url} HTTP/1.1\r\nHost: a\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            self.assertEqual(client.receive_response("POST").body, b"abc")
        refused = self.fetch(backend.url, "DELETE")
        self.assert_problem(refused, 405, "method_not_allowed")
        self.assertEqual([r.method for r in backend.requests], ["HEAD", "POST", "POST"])

    def test_coded_bodies_come_through_as_they_are(self):
        coded = gzip.compress(b"text " * 1000)
        backend = self.backend(answer(coded, "Content-Encoding: gzip"))
        response = self.fetch(backend.url, headers=[("Accept-Encoding", "gzip")])
        self.assertEqual(response.header("content-encoding"), "gzip")
        self.assertEqual(response.body, coded)

    def test_first_bytes_come_before_the_rest_exists(self):
        may_go_on = threading.Event()

        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            may_go_on.wait(harness.DEADLINE_S)
            connection.send(b"5\r\nlater\r\n0\r\n\r\n")

        backend = self.enterContext(peers.Backend(on_connection=play))
        with self.server.client() as client:
            client.send(f"GET /v1/fetch?url={backend.url} HTTP/1.1\r\nHost: a\r\n\r\n")
            client.receive_until(b"first")
            may_go_on.set()
            client.receive_until(b"later\r\n0\r\n\r\n")

    def test_client_that_leaves_ends_the_fetch(self):
        ended, asked = threading.Event(), threading.Event()

        def play(connection):
            connection.read_request()
            asked.set()
            if connection.wait_for_close():
                ended.set()

        backend = self.enterContext(peers.Backend(on_connection=play))
        with self.server.client() as client:
            client.send(f"GET /v1/fetch?url={backend.url} HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(asked.wait(harness.DEADLINE_S))
        self.assertTrue(ended.wait(harness.DEADLINE_S))


class Redirects(FetchTest):
    def test_are_followed(self):
        backend = self.backend(lambda request: {
            "/": redirect("/second?x=1"), "/second?x=1": redirect("../third/./a", 301),
            "/third/a": redirect("?last", 307)}.get(request.target, answer(b"arrived")))
        self.assertEqual(self.fetch(backend.url).body, b"arrived")
        self.assertEqual([r.target for r in backend.requests],
                         ["/", "/second?x=1", "/third/a", "/third/a?last"])

    def test_to_forbidden_places_are_refused(self):
        with socket.create_server(("127.0.0.2", 0)) as other:
            other.setblocking(False)
            port = other.getsockname()[1]
            places = iter([f"http://127.0.0.2:{port}/", f"//127.0.0.2:{port}/",
                           f"http://[::ffff:127.0.0.2]:{port}/", f"http://0x7f.2:{port}/",
                           f"http://2130706434:{port}/", "http://169.254.169.254/",
                           f"http://0.0.0.0:{port}/", f"http://user@127.0.0.1:{port}/",
                           "file:///etc/passwd", self.server.url + "/health"])
            backend = self.backend(lambda request: redirect(next(places)))
            for _ in range(10):
                response = self.fetch(backend.url)
                self.assert_problem(response, 403, "url_refused")
                self.assertNotIn(b"127.0.0", response.body)
                with self.assertRaises(BlockingIOError):
                    other.accept()

    def test_post_becomes_get_where_it_must_and_stays_where_it_cannot(self):
        for status, method, seen in ((301, "GET", 200), (302, "GET", 200), (303, "GET", 200),
                                     (307, None, 307), (308, None, 308)):
            with self.subTest(status):
                backend = self.backend(lambda request, status=status: (
                    redirect("/next", status) if request.target == "/" else answer(b"next")))
                response = self.fetch(backend.url, "POST", [("Content-Type", "text/x")], b"body")
                self.assertEqual(response.status, seen)
                following = [(r.method, r.body, r.header("content-type"))
                             for r in backend.requests[1:]]
                # A body that has been sent on is not kept: the client is told where to go.
                self.assertEqual(following, [(method, b"", None)] if method else [])

    def test_credentials_stay_with_their_origin(self):
        second = self.backend(peers.HELLO)
        first = self.backend(lambda request: redirect(
            "/same" if request.target == "/" else second.url + "/other"))
        self.fetch(first.url, headers=[("Fetch-Header-Authorization", "Bearer x"),
                                       ("Fetch-Header-Cookie", "a=b"),
                                       ("Accept", "text/plain")])
        for request in first.requests:
            self.assertEqual(request.header("authorization"), "Bearer x")
        self.assertEqual(second.requests[0].all("authorization"), [])
        self.assertEqual(second.requests[0].all("cookie"), [])
        self.assertEqual(second.requests[0].all("accept"), ["text/plain"])

    def test_have_an_end(self):
        backend = self.backend(redirect("/again"))
        self.assert_problem(self.fetch(backend.url), 502, "too_many_redirects")
        self.assertEqual(len(backend.requests), 11)

    def test_number_can_be_set(self):
        for most in (0, 1):
            with self.subTest(most), harness.Millrace(f"{LOOPBACK}redirects_max = {most}\n") as s:
                backend = self.backend(lambda request: (
                    redirect("/next") if request.target == "/" else answer(b"next")))
                response = harness.get(f"{s.url}/v1/fetch?url={backend.url}")
                self.assertEqual(response.status, 302 if most == 0 else 200)


class Failures(FetchTest):
    CONFIG = LOOPBACK + 'timeout = { connect = "500ms", first_byte = "1s", idle = "1s" }\n'

    def test_nobody_there(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            response = self.fetch("http://127.0.0.1:%d/" % taken.getsockname()[1])
            self.assert_problem(response, 502, "connect_refused")

    def test_unknown_name(self):
        response = self.fetch("http://does-not-exist.invalid/")
        self.assertIn(response.status, (502, 504))
        self.assertIn(response.json()["code"], ("dns_not_found", "dns_failed", "dns_timeout"))

    def test_silence_is_504(self):
        backend = self.enterContext(peers.Backend(
            on_connection=lambda connection: connection.wait_for_close()))
        self.assert_problem(self.fetch(backend.url), 504, "first_byte_timeout")

    def test_truncated_body_never_ends_cleanly(self):
        for head in (b"Content-Length: 100\r\n\r\nhello",
                     b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"):
            with self.subTest(head):
                def play(connection, head=head):
                    connection.read_request()
                    connection.send(b"HTTP/1.1 200 OK\r\n" + head)

                backend = self.enterContext(peers.Backend(on_connection=play))
                with self.server.client() as client:
                    client.send(f"GET /v1/fetch?url={backend.url} HTTP/1.1\r\nHost: a\r\n\r\n")
                    body = b""
                    with contextlib.suppress(ConnectionResetError):
                        body = client.receive_all()
                self.assertFalse(body.endswith(b"0\r\n\r\n"), body)

    def test_failed_request_is_sent_again_once(self):
        def play(connection):
            connection.read_request()
            if connection.index > 0:
                connection.send(peers.HELLO)

        backend = self.enterContext(peers.Backend(on_connection=play))
        self.assertEqual(self.fetch(backend.url).body, b"hello")
        self.assertEqual(len(backend.connections), 2)
        lost = self.enterContext(peers.Backend(on_connection=lambda c: c.read_request()))
        self.assert_problem(harness.post(self.server.url + "/v1/fetch?url=" + lost.url, b"once"),
                            502, "upstream_closed")
        self.assertEqual(len(lost.connections), 1)

    def test_body_that_breaks_off_is_gone_on_with(self):
        whole = bytes(range(256)) * 4000
        half = len(whole) // 2
        same = b"ETag: \"v1\"\r\n"

        def play(connection):
            request = connection.read_request()
            if connection.index == 0:
                connection.send(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b"
                                % (same, len(whole), whole[:half]))
                return
            self.assertEqual(request.header("if-range"), '"v1"')
            first = int(request.header("range").removeprefix("bytes=").removesuffix("-"))
            connection.send(b"HTTP/1.1 206 Partial Content\r\n%bContent-Length: %d\r\n"
                            b"Content-Range: bytes %d-%d/%d\r\n\r\n%b"
                            % (same, len(whole) - first, first, len(whole) - 1, len(whole),
                               whole[first:]))

        for path in ("/v1/fetch", "/v1/compute/wordcount"):
            with self.subTest(path):
                backend = self.enterContext(peers.Backend(on_connection=play))
                answer = harness.get(f"{self.server.url}{path}?url={backend.url}")
                self.assertEqual(len(backend.connections), 2)
                if path == "/v1/fetch":
                    self.assertEqual(answer.body, whole)
                else:
                    self.assertEqual(answer.json()["bytes"], len(whole))

    def test_https_to_something_that_speaks_no_tls(self):
        for play, status, code in (
                (lambda connection: connection.send(peers.HELLO), 502, "tls_failed"),
                (lambda connection: connection.wait_for_close(), 504, "tls_timeout")):
            with self.subTest(code):
                backend = self.enterContext(peers.Backend(on_connection=play))
                self.assert_problem(self.fetch(f"https://127.0.0.1:{backend.port}/"), status, code)


class Inputs(FetchTest):
    CONFIG = LOOPBACK + '[image]\nbody_max = "200KiB"\n[compute]\nbody_max = "2MiB"\n'

    def input(self, path, backend, method="GET", **options):
        return harness.request(self.door(backend.url, path), method, **options)

    def test_image_by_url(self):
        backend = self.backend(answer(PHOTO, "Content-Type: image/jpeg"))
        sent = harness.post(self.server.url + "/v1/image/grayscale", PHOTO)
        for method in ("GET", "POST"):
            fetched = self.input("/v1/image/grayscale", backend, method)
            self.assertEqual((fetched.status, fetched.body), (200, sent.body))
        self.assertEqual(self.input("/v1/image/info", backend).json()["bytes"], len(PHOTO))

    def test_text_by_url_with_and_without_a_length(self):
        text = "größe und mühle\n".encode() * 1000
        backend = self.backend(lambda request: answer(text) if request.target == "/length" else
                               b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text))
        for path in ("/length", "/chunked"):
            counted = harness.get(self.door(backend.url + path, "/v1/compute/wordcount")).json()
            self.assertEqual(counted, {"bytes": len(text), "lines": 1000, "words": 3000,
                                       "chars": 16_000})

    def test_codings_are_undone(self):
        text = b"a b\n" * 5000
        raw_deflate = zlib.compressobj(wbits=-15)
        # The same text: Python's library has no encoders for these.
        br = bytes.fromhex("1f1f4ef8a51540c2c4c46901807511400e")
        zstd = bytes.fromhex("28b52ffd60204d650000206120620a0100198efd1201")
        for coding, body in {"gzip": gzip.compress(text), "deflate": zlib.compress(text),
                             "x-gzip": gzip.compress(text), "identity": text,
                             "br": br, "zstd": zstd, "br, gzip": gzip.compress(br),
                             "Deflate": raw_deflate.compress(text) + raw_deflate.flush()}.items():
            with self.subTest(coding):
                backend = self.backend(answer(body, f"Content-Encoding: {coding}"))
                response = self.input("/v1/compute/wordcount", backend)
                self.assertEqual(response.json()["words"], 10_000)
                self.assertEqual(backend.requests[0].header("accept-encoding"),
                                 "gzip, deflate, br, zstd")

    def test_damaged_codings_are_errors_and_not_short_texts(self):
        text = b"a b c d e f g\n" * 5000
        whole = gzip.compress(text)
        for name, coding, body in (("truncated", "gzip", whole[:-5]), ("half", "gzip", whole[:50]),
                                   ("checksum", "gzip", whole[:-8] + bytes(4) + whole[-4:]),
                                   ("trailing", "gzip", whole + b"garbage"), ("none", "gzip", text),
                                   ("br", "br", text), ("zstd", "zstd", text),
                                   ("unknown", "lzma", text), ("stacked", "gzip, gzip, gzip, gzip, "
                                                               "gzip, gzip, gzip, gzip", whole)):
            with self.subTest(name):
                backend = self.backend(answer(body, f"Content-Encoding: {coding}"))
                self.assert_problem(self.input("/v1/compute/wordcount", backend), 502,
                                    "upstream_bad_coding")

    def test_bombs_are_stopped(self):
        # 64 MiB of zeros.
        bombs = {"gzip": gzip.compress(bytes(64 << 20)), "br": bytes.fromhex(
            "cfffff7ff82700e2b14020f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c32200ddfbfffcffffc73f0110870500ba"
            "f7ff")}
        before = self.server.rss_bytes()
        for coding, bomb in bombs.items():
            backend = self.backend(answer(bomb, f"Content-Encoding: {coding}"))
            for path in ("/v1/compute/wordcount", "/v1/image/info"):
                self.assertIn(self.input(path, backend).status, (413, 415, 502))
        if not harness.SANITIZED:
            self.assertLess(self.server.rss_bytes() - before, 4 << 20)

    def test_too_much_is_413_with_and_without_a_length(self):
        over = b"x" * ((2 << 20) + 1)
        backend = self.backend(lambda request: answer(over) if request.target == "/length" else
                               b"HTTP/1.1 200 OK\r\n\r\n" + over
                               if request.target == "/close" else answer(over[1:]))
        for path, status in (("/length", 413), ("/exactly", 200)):
            response = harness.get(self.door(backend.url + path, "/v1/compute/wordcount"))
            self.assertEqual(response.status, status, response.body)
            if status == 413:
                self.assertIn("compute.body_max", response.json()["detail"])

        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + over)

        unknown = self.enterContext(peers.Backend(on_connection=play))
        self.assert_problem(self.input("/v1/compute/wordcount", unknown), 413, "body_too_large")

    def test_only_a_200_is_an_input(self):
        backend = self.backend(answer(b"no such page", status="404 Not Found"))
        response = self.input("/v1/compute/wordcount", backend)
        self.assert_problem(response, 502, "upstream_bad_message")
        self.assertIn("404", response.json()["detail"])

    def test_a_body_and_a_url_are_one_too_many(self):
        backend = self.backend(peers.HELLO)
        response = self.input("/v1/compute/wordcount", backend, "POST", body=b"text")
        self.assert_problem(response, 400, "bad_parameter")
        self.assertEqual(backend.connections, [])

    def test_truncated_input_is_an_error(self):
        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")

        backend = self.enterContext(peers.Backend(on_connection=play))
        self.assert_problem(self.input("/v1/compute/wordcount", backend), 502, "upstream_truncated")


if __name__ == "__main__":
    unittest.main()
