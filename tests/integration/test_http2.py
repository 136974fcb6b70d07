"""HTTP/2 for clients, in front of backends that speak HTTP/1.1: what goes in comes out, bodies and
trailers both ways, interim answers, and early ones."""

import hashlib
import random
import threading
import time
import unittest

import h2.config
import h2.connection
import h2.events
from hyperframe.frame import DataFrame, SettingsFrame

import h2client
import harness
from test_proxy import CANNED, ProxyTest

MIB = 1024 * 1024
RESPOND = '''
    [[route]]
    match = { path = "/hello" }
    respond = { status = 200, body = "hello" }
    [[route]]
    match = { path = "/tools/*" }
    endpoint = "tools"
'''


def pattern(size, seed):
    return random.Random(seed).randbytes(size)


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Http2Test(ProxyTest):
    def connect(self, **options):
        return self.enterContext(h2client.Connection(self.server, **options))

    def serve(self, server="", rest=RESPOND):
        """Millrace by itself, with these lines in [server]."""
        self.server = self.enterContext(harness.Millrace(
            f'[server]\nlisten = ["127.0.0.1:0"]\nthreads = 1\n{server}\n{rest}'))
        return self.connect()


class Requests(Http2Test):
    def test_the_backend_sees_plain_http_1(self):
        self.start()
        answer = self.connect().get("/path?query", [("x-mine", "1"), ("user-agent", "by hand")],
                                    authority="shop.example:8443")
        self.assertEqual((answer.status, answer.body), (200, b"hello"))
        self.assertEqual(answer.header("content-length"), "5")
        received = self.backend.requests[0]
        self.assertEqual((received.method, received.target, received.version),
                         ("GET", "/path?query", "HTTP/1.1"))
        self.assertEqual(received.all("host"), ["shop.example:8443"])
        self.assertEqual(received.header("x-forwarded-host"), "shop.example:8443")
        self.assertEqual(received.header("via"), "2.0 millrace")
        self.assertEqual(received.header("x-mine"), "1")
        self.assertNotIn(b"\n:", received.head)
        access = harness.wait_until(lambda: self.server.events("access"), what="the access log")[0]
        self.assertEqual((access["protocol"], access["status"], access["target"]),
                         ("HTTP/2.0", 200, "/path?query"))

    def test_a_host_field_does_where_there_is_no_authority(self):
        self.start()
        client = self.connect()
        block = client.encoder.encode([(":method", "GET"), (":scheme", "http"), (":path", "/"),
                                       ("host", "old.example")])
        self.assertEqual(client.answer(client.request_block(block)).status, 200)
        self.assertEqual(self.backend.requests[0].all("host"), ["old.example"])

    def test_crumbs_of_cookies_are_joined(self):
        self.start()
        client = self.connect()
        crumbs = [("cookie", "a=1"), ("x-between", "y"), ("cookie", "b=2"), ("cookie", "c=3")]
        self.assertEqual(client.get("/", crumbs).status, 200)
        self.assertEqual(self.backend.requests[0].all("cookie"), ["a=1; b=2; c=3"])
        self.assertEqual(client.get("/", [("cookie", "only=1")]).status, 200)
        self.assertEqual(self.backend.requests[1].all("cookie"), ["only=1"])

    def test_methods_pass_also_unknown_ones(self):
        self.start()
        client = self.connect()
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
            with self.subTest(method):
                self.assertEqual(client.get("/x", method=method).status, 200)
                self.assertEqual(self.backend.requests[-1].method, method)

    def test_options_for_the_whole_server(self):
        self.start()
        self.assertEqual(self.connect().get("*", method="OPTIONS").status, 204)
        self.assertEqual(self.backend.received_bytes, b"")

    def test_hop_by_hop_fields_of_the_answer_stay_behind(self):
        self.start(b"HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\n"
                   b"Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n"
                   b"X-Mine: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-UPPER: Yes\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        answer = self.connect().get()
        names = [name for name, _ in answer.headers]
        for name in ("connection", "x-hop", "keep-alive", "proxy-connection", "upgrade",
                     "transfer-encoding", "content-length"):
            self.assertNotIn(name, names)
        self.assertEqual([name.lower() for name in names], names)
        self.assertEqual([v for n, v in answer.headers if n == "set-cookie"], ["a=1", "b=2"])
        self.assertEqual((answer.header("x-mine"), answer.header("x-upper")), ("1", "Yes"))
        self.assertEqual(answer.body, b"hello")

    def test_answers_without_a_body(self):
        self.start(lambda request: {
            "/204": b"HTTP/1.1 204 No Content\r\n\r\n",
            "/304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\n",
            "/empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"}[request.target])
        client = self.connect()
        for path, method, status, length in (
                ("/204", "GET", 204, None), ("/304", "GET", 304, "999"), ("/head", "HEAD", 200,
                "999"), ("/empty", "GET", 200, "0"), ("/chunked", "GET", 200, None)):
            with self.subTest(path):
                answer = client.get(path, method=method)
                self.assertEqual((answer.status, answer.body), (status, b""))
                self.assertEqual(answer.header("content-length"), length)
                self.assertTrue(answer.ended)
                self.assertIsNone(answer.reset)

    def test_large_heads_pass_or_become_502(self):
        self.start(lambda request: (b"HTTP/1.1 200 OK\r\nX: " + b"~" * int(request.target[1:])
                                    + b"\r\nContent-Length: 2\r\n\r\nok"))
        client = self.connect()
        for size in (17_000, 65_000, 65_400, 65_480, 66_000):
            with self.subTest(size):
                answer = client.get(f"/{size}")
                if answer.status != 502:
                    self.assertEqual((answer.status, answer.body), (200, b"ok"))
                    self.assertEqual(answer.header("x"), "~" * size)

    def test_upgrade_to_h2c_is_passed_over(self):
        self.start()
        with self.server.client() as client:
            response = client.request(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
            self.assertEqual((response.status, response.body), (200, b"hello"))
            self.assertEqual(client.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200)


class Beginnings(Http2Test):
    def beginning(self, client):
        """The bytes of a preface with SETTINGS and three requests behind it."""
        frames = [client.headers_frame(client.new_id(), client.block(path=f"/{n}")).serialize()
                  for n in range(3)]
        return h2client.PREFACE + SettingsFrame(0).serialize() + b"".join(frames)

    def test_everything_in_one_packet(self):
        self.start()
        client = self.connect(start=False)
        client.send_bytes(self.beginning(client))
        self.assertEqual([client.answer(s).status for s in (1, 3, 5)], [200] * 3)

    def test_byte_by_byte(self):
        self.start()
        client = self.connect(start=False)
        for byte in self.beginning(client):
            client.send_bytes(bytes([byte]))
        self.assertEqual([client.answer(s).status for s in (1, 3, 5)], [200] * 3)
        self.assertEqual({r.target for r in self.backend.requests}, {"/0", "/1", "/2"})

    def test_what_only_looks_like_a_preface_is_refused(self):
        self.start()
        for text in ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/2.0\r\nHost: a\r\n\r\n",
                     "PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n"):
            with self.subTest(text), self.server.client() as client:
                client.send(text + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
                client.receive_all()
        self.assertEqual(self.backend.received_bytes, b"")

    def test_a_preface_behind_a_request_is_refused(self):
        self.start()
        with self.server.client() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + h2client.PREFACE)
            self.assertEqual(client.receive_response().status, 200)
            self.assertIn(client.receive_response().status, (400, 505))
            self.assertTrue(client.is_closed())

    def test_http_1_goes_on_working_beside_it(self):
        self.start()
        self.assertEqual(self.connect().get("/2").status, 200)
        self.assertEqual(self.get("/1").status, 200)

    def test_a_preface_without_settings_ends_at_the_head_timeout(self):
        self.serve('head_timeout = "1s"')
        began = time.monotonic()
        client = self.connect(start=False, polite=False)
        client.send_bytes(h2client.PREFACE)
        client.run_to_end()
        self.assertGreater(time.monotonic() - began, 0.8)

    def test_python_h2_agrees_with_every_frame(self):
        # A second opinion: h2 raises for whatever the protocol forbids.
        self.start(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                   b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        with self.server.client() as client:
            connection.initiate_connection()
            for stream_id in (1, 3, 5):
                connection.send_headers(stream_id, [
                    (":method", "GET"), (":scheme", "http"), (":path", "/"),
                    (":authority", "a"), ("te", "trailers")], end_stream=True)
            ended, trailers = set(), []
            while len(ended) < 3:
                client.send(connection.data_to_send())
                data = client.socket.recv(65536)
                self.assertTrue(data)
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.StreamEnded):
                        ended.add(event.stream_id)
                    if isinstance(event, h2.events.TrailersReceived):
                        trailers += event.headers
        self.assertEqual(trailers, [(b"x-sum", b"1")] * 3)


class Bodies(Http2Test):
    def test_lengths_are_told_and_chunks_are_made(self):
        self.start()
        client = self.connect()
        for body in (b"", b"x", pattern(100_000, 1), b"0\r\n\r\n" * 100):
            for fields in ([("content-length", str(len(body)))], []):
                with self.subTest(length=len(body), fields=fields):
                    self.assertEqual(client.post("/", body, fields).status, 200)
                    received = self.backend.requests[-1]
                    self.assertEqual(received.body, body)
                    if fields:
                        self.assertEqual(received.all("content-length"), [str(len(body))])
                    else:
                        self.assertEqual(received.all("transfer-encoding"), ["chunked"])

    def test_many_bodies_both_ways_at_once(self):
        size, count = 3 * MIB, 6
        self.start(lambda request: (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Sum: %s\r\n\r\n"
                                    % (size, digest(request.body).encode())
                                    + pattern(size, request.target)))
        client = self.connect()
        uploads = {client.request("POST", f"/{n}", [("content-length", str(size))] * (n % 2),
                                  end_stream=False): pattern(size, n) for n in range(count)}
        downloads = [client.request(path=f"/{n}") for n in range(count, 2 * count)]
        client.upload(uploads)
        for n, (stream_id, body) in enumerate(uploads.items()):
            answer = client.answer(stream_id)
            self.assertEqual(answer.header("x-sum"), digest(body))
            self.assertEqual(digest(answer.body), digest(pattern(size, f"/{n}")))
        for n, stream_id in enumerate(downloads, count):
            self.assertEqual(digest(client.answer(stream_id).body), digest(pattern(size, f"/{n}")))

    def test_bodies_flow_both_ways_on_one_stream(self):
        def play(connection):
            connection._until(b"\r\n\r\n")
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for word in (b"one", b"two", b"three"):
                connection._until(word)
                connection.send(b"%x\r\n%s\r\n" % (len(word), word))
            connection._until(b"0\r\n\r\n")
            connection.send(b"0\r\n\r\n")

        self.start(on_connection=play)
        client = self.connect()
        stream_id = client.request("POST", end_stream=False)
        stream, so_far = client.streams[stream_id], b""
        for word in (b"one", b"two", b"three"):
            client.data(stream_id, word)
            so_far += word
            client.until(lambda: stream.body == so_far, "the echo of " + so_far.decode())
        client.data(stream_id, b"", end_stream=True)
        self.assertTrue(client.answer(stream_id).ended)

    def test_padding_costs_no_window(self):
        self.start()
        client = self.connect()
        client.until(lambda: client.settings, "SETTINGS")
        stream_id = client.request("POST", end_stream=False)
        # Four times what both windows hold, nearly all of it padding.
        for _ in range(4 * MIB // 256):
            while client.window < 256 or client.windows[stream_id] < 256:
                client.read()
            client.send(DataFrame(stream_id, b"x", pad_length=254, flags=["PADDED"]))
            client.window -= 256
            client.windows[stream_id] -= 256
        client.data(stream_id, b"", end_stream=True)
        self.assertEqual(client.answer(stream_id).status, 200)
        self.assertEqual(self.backend.requests[0].body, b"x" * (4 * MIB // 256))

    def test_an_early_answer_ends_the_upload_without_an_error(self):
        def play(connection):
            connection._until(b"\r\n\r\n")
            connection.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n"
                            b"Connection: close\r\n\r\nlarge")
            connection.wait_for_close()

        self.start(on_connection=play)
        client = self.connect()
        stream_id = client.request("POST", fields=[("content-length", str(8 * MIB))],
                                   end_stream=False)
        client.data(stream_id, b"x" * 100_000)
        answer = client.answer(stream_id)
        self.assertEqual((answer.status, answer.body), (413, b"large"))
        client.until(lambda: answer.reset is not None, "RST_STREAM")
        self.assertEqual(answer.reset, h2client.NO_ERROR)
        self.assertEqual(client.get("/next").status, 413)  # the connection lives on

    def test_a_limit_is_an_early_answer_too(self):
        self.server = self.enterContext(harness.Millrace('[limits]\nbody = "64KiB"\n'))
        client = self.connect()
        for fields in ([("content-length", "100000")], []):
            with self.subTest(fields):
                stream_id = client.request("POST", "/v1/compute/wordcount", fields,
                                           end_stream=False)
                client.upload({stream_id: b"x" * 100_000})
                answer = client.answer(stream_id)
                self.assertEqual(answer.status, 413)
        self.assertEqual(client.get("/bytes?n=10").status, 200)
        self.assertEqual(client.goaways, [])

    def test_a_truncated_answer_never_ends_cleanly(self):
        for head in (b"Content-Length: 1000", b"Transfer-Encoding: chunked"):
            with self.subTest(head):
                def play(connection):
                    connection.read_request()
                    connection.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n5\r\nhello\r\n")

                self.start(on_connection=play)
                answer = self.connect().get()
                self.assertEqual(answer.status, 200)
                self.assertFalse(answer.ended)
                self.assertIsNotNone(answer.reset)
                self.assertNotEqual(answer.reset, h2client.NO_ERROR)

    def test_a_client_that_resets_cancels_the_backend(self):
        gone = threading.Event()

        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")
            if connection.wait_for_close():
                gone.set()

        self.start(on_connection=play)
        client = self.connect()
        stream_id = client.request()
        client.until(lambda: client.streams[stream_id].body == b"first", "the first bytes")
        client.send(h2client.RstStreamFrame(stream_id, h2client.CANCEL))
        began = time.monotonic()
        self.assertTrue(gone.wait(harness.DEADLINE_S))
        self.assertLess(time.monotonic() - began, 10)  # the upstream's own timeouts are 60 s
        access = harness.wait_until(lambda: self.server.events("access"), what="the access log")[0]
        self.assertEqual(access["cause"], "client_gone")


class Trailers(Http2Test):
    def test_the_client_s_reach_the_backend(self):
        self.start()
        client = self.connect()
        stream_id = client.request("POST", "/", [("te", "trailers"), ("trailer", "x-sum")],
                                   end_stream=False)
        client.data(stream_id, b"hello")
        client.trailers(stream_id, [("x-sum", "1"), ("grpc-status", "0"), ("host", "evil"),
                                    ("x-forwarded-for", "8.8.8.8"), ("authorization", "evil")])
        self.assertEqual(client.answer(stream_id).status, 200)
        received = self.backend.requests[0]
        self.assertEqual(received.body, b"hello")
        self.assertEqual([(n.lower(), v) for n, v in received.trailers],
                         [("x-sum", "1"), ("grpc-status", "0")])
        self.assertEqual(received.header("te"), "trailers")
        self.assertNotIn(b"evil", received.connection.bytes)

    def test_the_backend_s_reach_the_client(self):
        self.start(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n"
                   b"Trailer: grpc-status, grpc-message\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"5\r\nhello\r\n0\r\nGrpc-Status: 0\r\ngrpc-message: fine\r\n"
                   b"Content-Length: 3\r\nSet-Cookie: a=1\r\n\r\n")
        answer = self.connect().post("/pkg.Service/Method", b"request",
                                     [("te", "trailers"), ("content-type", "application/grpc")])
        self.assertEqual((answer.status, answer.body), (200, b"hello"))
        self.assertEqual(answer.trailers, [("grpc-status", "0"), ("grpc-message", "fine")])

    def test_trailers_behind_no_body(self):
        self.start(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"0\r\ngrpc-status: 12\r\n\r\n")
        client = self.connect()
        stream_id = client.request("POST", end_stream=False)
        client.trailers(stream_id, [("x-sum", "2")])
        answer = client.answer(stream_id)
        self.assertEqual((answer.body, answer.trailers), (b"", [("grpc-status", "12")]))
        self.assertEqual((self.backend.requests[0].body, self.backend.requests[0].trailers),
                         (b"", [("x-sum", "2")]))


class Interim(Http2Test):
    def test_100_comes_when_the_body_is_wanted(self):
        self.start()
        client = self.connect()
        stream_id = client.request("POST", "/", [("expect", "100-continue"),
                                                 ("content-length", "5")], end_stream=False)
        stream = client.streams[stream_id]
        client.until(lambda: stream.interim, "100")
        self.assertEqual(dict(stream.interim[0]), {":status": "100"})
        client.data(stream_id, b"hello", end_stream=True)
        self.assertEqual(client.answer(stream_id).status, 200)
        self.assertEqual(len(stream.interim), 1)
        self.assertEqual(self.backend.requests[0].body, b"hello")
        self.assertEqual(self.backend.requests[0].all("expect"), [])

    def test_early_hints_pass_and_a_stray_100_does_not(self):
        self.start(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n"
                   b"Connection: X-Hop\r\nX-Hop: 1\r\n\r\n" + CANNED)
        answer = self.connect().get()
        self.assertEqual([dict(head) for head in answer.interim],
                         [{":status": "103", "link": "</a.css>"}])
        self.assertEqual((answer.status, answer.body), (200, b"ok"))

    def test_other_expectations_are_refused(self):
        self.start()
        answer = self.connect().get("/", [("expect", "miracles")])
        self.assertEqual(answer.status, 417)
        self.assertEqual(self.backend.received_bytes, b"")


if __name__ == "__main__":
    unittest.main()
