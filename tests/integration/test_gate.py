"""Request smuggling and its kin, against the real server in front of a backend that records every
byte: what is refused never reaches it, what passes is framed anew, smuggled bytes are never a
request."""

import unittest

import harness
import peers

# Sent behind every attack, in the same segment: if the attack is framed wrongly, this is a request.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*fields, body=b"0\r\n\r\n", version="1.1", host=b"Host: a\r\n"):
    head = f"POST /attack HTTP/{version}\r\n".encode() + host
    return head + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def get(target=b"/attack", fields=(b"Host: a",), version=b"HTTP/1.1", method=b"GET"):
    lines = [method + b" " + target + b" " + version, *fields, b"", b""]
    return b"\r\n".join(lines)


LENGTHS = [b"+5", b"-5", b"-0", b"0x5", b"5_0", b"5 5", b"5,5", b"5, 5", b"5,6", b"5,", b",5",
           b"", b" ", b"5;5", b"5.0", b"5e0", b'"5"', b"five", b"5\xa0", b"\xd9\xa5",
           b"9223372036854775808", b"18446744073709551616", b"18446744073709551621", b"9" * 40]
CODINGS = [b"identity", b"gzip", b"xchunked", b"chunkedx", b"chunked, gzip",
           b"chunked, identity", b"chunked, chunked", b"chunked;x", b"chunked;q=1", b'"chunked"',
           b"chunked,", b", chunked", b"", b",", b"ch unked", b"chunked\xa0", b"\x0bchunked",
           b"\x0cchunked", b"chunked\0", b"\0chunked", b"chunked\x7f", b"\n chunked",
           b"\r\n chunked", b"chunked\r\n ", b"chunked\rX: y"]
HOSTS = [b"a, b", b"a,b", b"user@a", b"user:pw@a", b"a/b", b"a b", b"a:x", b"a:-1", b"a:65536",
         b"a:80:80", b"[::1", b"::1", b"[::1]x", b"a?b", b"a#b", b"a\\b", b"http://a", b"\xe4",
         b"a\0b"]
TARGETS = [b"/a#b", b'/a"b', b"/a<b", b"/a>b", b"/a\\b", b"/\xe4", b"/\xff", b"a", b"?a",
           b"/a\x7fb", b"/a\0b", b"/a b", b"/%", b"/%zz", b"/a%00b", b"ftp://a/", b"http://",
           b"http://user@a/", b"http://a:x/", b"*"]
LINES = [b"X : y", b"X\t: y", b": y", b":", b"X", b"X y: z", b"X\0: y", b"X: a\0b", b"X(: y",
         b"X\xe4: y", b"X: a\r\n folded", b"X: a\r\n\tfolded", b"X: a\nY: b", b"X: a\rY: b",
         b"X: a\n", b"X: a\r", b"X: a\x01b", b"X: a\x7fb", b"\nX: y", b"\rX: y", b" X: y",
         b"Transfer-Encoding : chunked", b"Transfer_Encoding: chunked", b"Content_Length: 5",
         b"X_Forwarded_For: 1.2.3.4", b"Transfer-Encoding\0: chunked", b"Content-Length\t: 5",
         b" Transfer-Encoding: chunked"]
VERSIONS = [b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.x", b"HTTP/1", b"HTTP/1.10",
            b"http/1.1", b"HTTP/1.1 x", b"HTTP 1.1", b"ICY/1.1"]

CHUNKED, FIVE = b"Transfer-Encoding: chunked", b"Content-Length: 5"

# name: (bytes, statuses that refuse them)
HEADS = {
    "length, chunked": (post(FIVE, CHUNKED), (400,)),
    "chunked, length": (post(CHUNKED, FIVE), (400,)),
    "chunked, length 0": (post(CHUNKED, b"Content-Length: 0"), (400,)),
    "length, identity": (post(FIVE, b"Transfer-Encoding: identity"), (400,)),
    "length, gzip": (post(FIVE, b"Transfer-Encoding: gzip"), (400,)),
    "chunked twice": (post(CHUNKED, CHUNKED), (400,)),
    "chunked, identity in two fields": (post(CHUNKED, b"Transfer-Encoding: identity"), (400,)),
    "identity, chunked in two fields": (post(b"Transfer-Encoding: identity", CHUNKED), (400,)),
    "two equal lengths": (post(FIVE, FIVE, body=b"hello"), (400,)),
    "two lengths": (post(FIVE, b"Content-Length: 6", body=b"hello"), (400,)),
    "chunked on HTTP/1.0": (post(CHUNKED, version="1.0"), (400,)),
    "a coding below chunked": (post(b"Transfer-Encoding: gzip, chunked"), (501,)),
    "no host": (get(fields=()), (400,)),
    "two hosts": (get(fields=(b"Host: a", b"Host: a")), (400,)),
    "two hosts on HTTP/1.0": (get(fields=(b"Host: a", b"Host: a"), version=b"HTTP/1.0"), (400,)),
    "bare line feeds": (get().replace(b"\r\n", b"\n"), (400,)),
    "first line folded": (b"GET /attack HTTP/1.1\r\n Host: a\r\n\r\n", (400,)),
    "two empty lines": (b"\r\n\r\n" + get(), (400,)),
    "no version": (b"GET /attack\r\nHost: a\r\n\r\n", (400,)),
    "method is no token": (get(method=b"G@T"), (400,)),
    "method is too long": (get(method=b"A" * 65), (501,)),
    "target is too long": (get(target=b"/" + b"a" * 8192), (414,)),
    "head is too large": (get(fields=(b"Host: a", b"X: " + b"x" * 65536)), (431,)),
    "too many fields": (get(fields=(b"Host: a", *[b"X: y"] * 100)), (431,)),
    "expectation": (post(b"Expect: 200-ok", FIVE, body=b"hello"), (417,)),
    "CONNECT": (get(target=b"a:443", method=b"CONNECT"), (400, 405, 501)),
    **{f"Content-Length: {v!r}": (post(b"Content-Length: " + v, body=b"hello"), (400,))
       for v in LENGTHS},
    **{f"Transfer-Encoding: {v!r}": (post(b"Transfer-Encoding: " + v), (400,)) for v in CODINGS},
    **{f"Host: {v!r}": (get(fields=(b"Host: " + v,)), (400,)) for v in HOSTS},
    **{f"target {v!r}": (get(target=v), (400,)) for v in TARGETS},
    **{f"line {v!r}": (post(v), (400,)) for v in LINES},
    **{f"version {v!r}": (get(version=v), (400, 505)) for v in VERSIONS},
}

SIZES = [b"+5", b"-5", b"0x5", b"5_0", b"5 5", b"5,6", b"5 ", b" 5", b"\t5", b"5\0", b"g", b"",
         b";x", b'"5"', b"1000000000000000", b"ffffffffffffffff", b"10000000000000005"]
BODIES = {
    **{f"size {v!r}": v + b"\r\nhello\r\n0\r\n\r\n" for v in SIZES},
    "line feed behind the size": b"5\nhello\r\n0\r\n\r\n",
    "no CRLF behind a chunk": b"5\r\nhello0\r\n\r\n",
    "line feed behind a chunk": b"5\r\nhello\n0\r\n\r\n",
    "chunk is longer than its size": b"5\r\nhello!\r\n0\r\n\r\n",
    "chunk is shorter than its size": b"5\r\nhell\r\n0\r\n\r\n",
    "extension with a line feed": b'5;a="\n"\r\nhello\r\n0\r\n\r\n',
    "extension with NUL": b"5;a\0\r\nhello\r\n0\r\n\r\n",
    "extension is too long": b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n",
    "last chunk ends in a line feed": b"5\r\nhello\r\n0\n\r\n",
    "trailer without a colon": b"5\r\nhello\r\n0\r\nX\r\n\r\n",
    "trailer is folded": b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
    "trailer with NUL": b"5\r\nhello\r\n0\r\nX: \0\r\n\r\n",
    "trailers are too large": b"5\r\nhello\r\n0\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
}


def proxy_config(backend):
    return f'''
        [upstream.backend]
        targets = ["{backend.url}"]
        [[route]]
        match = {{ path = "/*" }}
        upstream = "backend"
        [log]
        access = "off"
    '''


class Gate(unittest.TestCase):
    """One server and one backend for all; each test has a connection of its own."""

    @classmethod
    def setUpClass(cls):
        cls.backend = peers.Backend()
        cls.addClassCleanup(cls.backend.stop)
        cls.server = harness.Millrace(proxy_config(cls.backend))
        cls.addClassCleanup(cls.server.__exit__)

    def tearDown(self):
        self.assertNotIn(b"smuggled", self.backend.received_bytes)

    def answer_to(self, data, bytewise):
        with self.server.client() as client:
            try:
                (client.send_bytewise if bytewise else client.send)(data + SMUGGLED)
            except (BrokenPipeError, ConnectionResetError):
                pass  # closed while the rest was sent: what counts is the answer
            response = client.receive_response()
            return response, client.is_closed()

    def pass_through(self, data, method="GET"):
        """Sends what must pass; the request as the backend saw it."""
        before = len(self.backend.requests)
        with self.server.client() as client:
            self.assertEqual(client.request(data, method).status, 200)
            # The connection is not out of step.
            self.assertEqual(client.request(get(b"/next")).status, 200)
        self.assertEqual(self.backend.requests[before + 1].target, "/next")
        return self.backend.requests[before]


class RefusedHeads(Gate):
    def refuse_all(self, bytewise):
        for name, (data, statuses) in HEADS.items():
            if bytewise and len(data) > 4096:
                continue
            with self.subTest(name):
                before = self.backend.received_bytes
                response, closed = self.answer_to(data, bytewise)
                self.assertIn(response.status, statuses)
                self.assertTrue(closed)
                self.assertEqual(response.header("connection"), "close")
                self.assertEqual(self.backend.received_bytes, before)

    def test_whole(self):
        self.refuse_all(bytewise=False)

    def test_byte_by_byte(self):
        self.refuse_all(bytewise=True)

    def test_behind_good_pipelined_requests(self):
        with self.server.client() as client:
            client.send(get(b"/1") + get(b"/2") + post(FIVE, CHUNKED) + SMUGGLED)
            self.assertEqual([client.receive_response().status for _ in range(3)], [200, 200, 400])
            self.assertTrue(client.is_closed())


class RefusedBodies(Gate):
    def setUp(self):
        self.before = len(self.backend.requests)

    def assert_no_request_but_this_one(self):
        # Asked last and answered: whatever else went out has arrived by now.
        self.assertEqual(self.pass_through(get(b"/last")).target, "/last")
        self.assertEqual([r.target for r in self.backend.requests[self.before :]],
                         ["/last", "/next"])

    def test_the_backend_sees_at_most_an_aborted_body(self):
        for name, body in BODIES.items():
            for bytewise in (False, True):
                if bytewise and len(body) > 4096:
                    continue
                with self.subTest(name, bytewise=bytewise):
                    response, closed = self.answer_to(post(CHUNKED, body=body), bytewise)
                    self.assertEqual(response.status, 400)
                    self.assertTrue(closed)
        self.assert_no_request_but_this_one()

    def test_truncated_bodies(self):
        for name, data in {"length": post(b"Content-Length: 10", body=b"hello"),
                           "chunk": post(CHUNKED, body=b"a\r\nhello"),
                           "no last chunk": post(CHUNKED, body=b"5\r\nhello\r\n"),
                           "no end": post(CHUNKED, body=b"5\r\nhello\r\n0\r\n")}.items():
            with self.subTest(name), self.server.client() as client:
                client.send(data)
                client.finish_sending()
                client.receive_all()
        self.assert_no_request_but_this_one()


class FramedAnew(Gate):
    def test_trace_is_refused_and_harmless(self):
        before = self.backend.received_bytes
        with self.server.client() as client:
            self.assertIn(client.request(get(method=b"TRACE")).status, (405, 501))
        self.assertEqual(self.backend.received_bytes, before)

    def test_length(self):
        seen = self.pass_through(post(b"Content-Length: 005", body=b"hello"), "POST")
        self.assertEqual((seen.all("content-length"), seen.body), (["5"], b"hello"))

    def test_chunks_without_extensions_and_trailers_that_may_not_come_late(self):
        seen = self.pass_through(
            post(b"Transfer-Encoding: CHUNKED", b"Trailer: X",
                 body=b'5;secret="x"\r\nhello\r\n0;secret\r\nX-Late: y\r\nHost: secret\r\n'
                      b"Content-Length: 3\r\nAuthorization: secret\r\n\r\n"), "POST")
        self.assertEqual(seen.body, b"hello")
        self.assertEqual(seen.all("content-length"), [])
        self.assertNotIn(b"ecret", seen.connection.bytes)
        harness.wait_until(lambda: b"\r\n0\r\nX-Late: y\r\n\r\n" in seen.connection.bytes,
                           what="the trailer that may come late")

    def test_bodies_of_get_stay_bodies(self):
        body = SMUGGLED.replace(b"smuggled", b"embedded")
        length = b"Content-Length: %d" % len(body)
        for method in (b"GET", b"DELETE", b"OPTIONS"):
            with self.subTest(method):
                seen = self.pass_through(get(fields=(b"Host: a", length), method=method) + body)
                self.assertEqual((seen.method, seen.body), (method.decode(), body))

    def test_absolute_form_wins_over_host(self):
        seen = self.pass_through(get(b"http://b.example/path?q"))
        self.assertEqual((seen.target, seen.all("host")), ("/path?q", ["b.example"]))

    def test_paths_are_normalised_once(self):
        for target, expected in {b"/a/../b": "/b", b"/../../b": "/b", b"/%62": "/b", b"/./b": "/b",
                                 b"/a/%2e%2e/b": "/b", b"/a%2fb": "/a%2Fb", b"//b": "//b"}.items():
            with self.subTest(target):
                self.assertEqual(self.pass_through(get(target)).target, expected)

    def test_connection_strips_hop_fields_and_never_end_to_end_ones(self):
        seen = self.pass_through(
            post(b"Connection: X-Hop, Host, Content-Length, X-Forwarded-For, Cookie, keep-alive",
                 b"X-Hop: 1", b"Cookie: c", b"Keep-Alive: timeout=5", b"Te: trailers",
                 b"Proxy-Connection: keep-alive", b"Proxy-Authorization: Basic x", FIVE,
                 body=b"hello"), "POST")
        for name in ("x-hop", "keep-alive", "proxy-connection"):
            self.assertEqual(seen.all(name), [], name)
        self.assertEqual((seen.all("host"), seen.all("content-length")), (["a"], ["5"]))
        self.assertEqual(seen.body, b"hello")
        self.assertTrue(seen.all("x-forwarded-for"))

    def test_h2c_upgrade_is_stripped(self):
        seen = self.pass_through(get(fields=(
            b"Host: a", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABk")))
        self.assertEqual((seen.all("upgrade"), seen.all("http2-settings")), ([], []))

    def test_expect_continue_is_answered_by_us(self):
        with self.server.client() as client:
            client.send(post(b"Expect: 100-Continue", FIVE, body=b""))
            self.assertTrue(client.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 "))
            client.send(b"hello" + get(b"/next"))
            self.assertEqual([client.receive_response().status for _ in range(2)], [200, 200])

    def test_a_thousand_pipelined_requests_are_answered_in_order(self):
        def answer(request):
            return peers.HELLO.replace(b"hello", request.target[-5:].encode())

        with (peers.Backend(answer) as backend,
              harness.Millrace(proxy_config(backend)) as server, server.client() as client):
            client.send(b"".join(get(b"/%05d" % n) for n in range(1000)))
            for n in range(1000):
                self.assertEqual(client.receive_response().body, b"%05d" % n)


# The cases of its subclasses are what is run.
del Gate
