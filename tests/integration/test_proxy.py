"""The reverse proxy and upstreams of every kind of character: judged by what the backend received
and what the client got, byte by byte."""

import contextlib
import json
import socket
import threading
import unittest

import harness
import peers

CANNED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def config(targets, **keys):
    """One io thread, so that connections can be counted, and one upstream for everything."""
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(['[server]', 'listen = ["127.0.0.1:0"]', "threads = 1",
                      "[upstream.backend]", f"targets = {json.dumps(targets)}", *lines,
                      "[[route]]", 'match = { path = "/*" }', 'upstream = "backend"', ""])


class ProxyTest(unittest.TestCase):
    def start(self, answer=None, on_connection=None, **keys):
        """A backend that answers with `answer` (bytes, or a function of the request), and
        Millrace in front of it, as self.backend and self.server."""
        if isinstance(answer, bytes):
            answer = (lambda response: lambda request: response)(answer)
        backend = peers.Backend(**{k: v for k, v in (("answer", answer),
                                                     ("on_connection", on_connection)) if v})
        self.backend = self.enterContext(backend)
        self.server = self.enterContext(harness.Millrace(config([backend.url], **keys)))

    def head(self, method="GET", path="/", *lines):
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {self.server.address}", *lines,
                            "", ""])

    def get(self, path="/", headers=()):
        return harness.get(self.server.url + path, headers)

    def assert_problem(self, response, status, code):
        self.assertEqual((response.status, response.header("content-type")),
                         (status, "application/problem+json"), response.body)
        self.assertEqual(response.json()["code"], code)

    def wait_for_requests(self, count):
        harness.wait_until(lambda: len(self.backend.requests) >= count, what=f"{count} requests")


class Requests(ProxyTest):
    def test_bodies_arrive_exactly(self):
        self.start()
        for body in (b"", b"x", bytes(range(256)) * 300, b"0\r\n\r\n" * 100):
            with self.subTest(length=len(body)):
                harness.post(self.server.url + "/", body)
                received = self.backend.requests[-1]
                self.assertEqual(received.body, body)
                self.assertEqual(received.all("content-length"), [str(len(body))])
                self.assertEqual(received.all("transfer-encoding"), [])

    def test_chunks_are_framed_anew(self):
        self.start()
        with self.server.client() as client:
            client.send(self.head("POST", "/", "Transfer-Encoding: chunked"))
            client.send('5;name="va;lue"\r\nhello\r\n001\r\n \r\n5\r\nworld\r\n'
                        "0\r\nX-Trailer: yes\r\nContent-Length: 3\r\nHost: evil\r\n\r\n")
            self.assertEqual(client.receive_response("POST").status, 200)
        received = self.backend.requests[0]
        self.assertEqual(received.body, b"hello world")
        self.assertEqual(received.all("transfer-encoding"), ["chunked"])
        self.assertEqual(received.all("content-length"), [])
        everything = self.backend.received_bytes
        for smuggled in (b"va;lue", b"evil", b"Content-Length: 3"):
            self.assertNotIn(smuggled, everything)

    def test_methods_pass_also_unknown_ones(self):
        self.start()
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
            with self.subTest(method):
                harness.request(self.server.url + "/x", method)
                self.assertEqual(self.backend.requests[-1].method, method)

    def test_field_order_and_repetition_are_kept(self):
        self.start()
        self.get(headers=[("X-A", "1"), ("X-B", "2"), ("X-A", "3")])
        sent = [pair for pair in self.backend.requests[0].headers if pair[0] in ("X-A", "X-B")]
        self.assertEqual(sent, [("X-A", "1"), ("X-B", "2"), ("X-A", "3")])

    def test_one_host_whatever_the_client_says(self):
        self.start()
        with self.server.client() as client:
            client.request(self.head("GET", "http://absolute.example:81/p?q"))
        received = self.backend.requests[0]
        self.assertEqual(received.target, "/p?q")
        self.assertEqual(received.all("host"), ["absolute.example:81"])

    def test_host_of_the_upstream_or_a_name(self):
        for policy, expected in (("upstream", None), ("api.example.com", "api.example.com")):
            with self.subTest(policy):
                self.start(host=f'"{policy}"')
                self.get()
                self.assertEqual(self.backend.requests[0].all("host"),
                                 [expected or f"127.0.0.1:{self.backend.port}"])
                self.assertEqual(self.backend.requests[0].header("x-forwarded-host"),
                                 self.server.address)

    def test_trusted_proxies_are_believed(self):
        with peers.Backend() as backend, harness.Millrace(
                config([backend.url]).replace("threads = 1", "threads = 1\n"
                                              'trusted_proxies = ["127.0.0.0/8"]')) as server:
            harness.get(server.url + "/", [("X-Forwarded-For", "203.0.113.7"),
                                           ("X-Forwarded-Proto", "https"),
                                           ("X-Forwarded-Host", "shop.example"),
                                           ("Forwarded", "for=203.0.113.7;proto=https")])
            received = backend.requests[0]
        self.assertEqual(received.all("x-forwarded-for"), ["203.0.113.7, 127.0.0.1"])
        self.assertEqual(received.all("x-forwarded-proto"), ["https"])
        self.assertEqual(received.all("x-forwarded-host"), ["shop.example"])
        self.assertTrue(received.header("forwarded").startswith("for=203.0.113.7;proto=https, "))

    def test_refused_requests_never_reach_the_backend(self):
        self.start()
        for text in (self.head("POST", "/", "Content-Length: 5", "Transfer-Encoding: chunked"),
                     self.head("POST", "/", "Content-Length: 5", "Content-Length: 6"),
                     self.head("GET", "/", "Host: other"), self.head("GET", "/%00"),
                     self.head("GET", "/", "X: a\r\n folded")):
            with self.subTest(text), self.server.client() as client:
                self.assertEqual(client.request(text).status, 400)
                self.assertTrue(client.is_closed())
        self.assertEqual(self.backend.received_bytes, b"")

    def test_broken_chunk_reaches_it_as_an_aborted_body_only(self):
        ended = []

        def play(connection):
            ended.append(connection.read_request())  # None: it never became a whole request

        self.start(on_connection=play)
        with self.server.client() as client:
            client.send(self.head("POST", "/", "Transfer-Encoding: chunked") + "5\r\nhello\r\n")
            harness.wait_until(lambda: b"hello" in self.backend.received_bytes, what="the chunk")
            client.send("5\r\nworldGET /smuggled HTTP/1.1\r\n\r\n")
            self.assertEqual(client.receive_response("POST").status, 400)
        harness.wait_until(lambda: ended, what="the upstream connection's end")
        self.assertEqual(ended, [None])
        self.assertNotIn(b"smuggled", self.backend.received_bytes)


class Responses(ProxyTest):
    def test_fields_pass_but_those_of_the_hop(self):
        self.start(b"HTTP/1.1 200 Fine\r\nServer: backend/1\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT"
                   b"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nX-Mine: 1\r\nX-Hop: 1\r\n"
                   b"Connection: X-Hop, keep-alive\r\nKeep-Alive: timeout=5\r\n"
                   b"Proxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok")
        response = self.get()
        self.assertEqual(response.all("set-cookie"), ["a=1", "b=2; Path=/"])
        self.assertEqual(response.header("date"), "Thu, 01 Jan 1970 00:00:00 GMT")
        self.assertEqual((response.header("server"), response.header("x-mine")), ("backend/1", "1"))
        for name in ("x-hop", "keep-alive", "proxy-authenticate"):
            self.assertIsNone(response.header(name), name)

    def test_body_that_ends_with_the_connection_ends_properly_for_the_client(self):
        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")

        self.start(on_connection=play)
        with self.server.client() as client:
            response = client.request(self.head())
            self.assertEqual(response.body, b"until the end")
            self.assertEqual(response.header("transfer-encoding"), "chunked")
            # And the client's connection lives on.
            self.assertEqual(client.request(self.head()).body, b"until the end")

    def test_chunks_are_framed_anew(self):
        self.start(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"5;secret=1\r\nhello\r\n00006\r\n world\r\n0\r\n\r\n")
        response = self.get()
        self.assertEqual(response.body, b"hello world")
        self.assertNotIn(b"secret", response.head)

    def test_old_clients_get_no_chunks(self):
        self.start(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        with self.server.client() as client:
            client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
            response = client.receive_all()
        self.assertTrue(response.endswith(b"\r\n\r\nhello"), response)
        self.assertNotIn(b"chunked", response)
        self.assertEqual(self.backend.requests[0].header("via"), "1.0 millrace")

    def test_head_and_not_modified_keep_the_length_and_have_no_body(self):
        self.start(lambda request: (
            b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 999\r\n\r\n"
            if request.method == "GET" else b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"))
        with self.server.client() as client:
            for method, status in (("GET", 304), ("HEAD", 200), ("GET", 304)):
                response = client.request(self.head(method))
                self.assertEqual(response.status, status)
                self.assertEqual(response.header("content-length"), "999")

    def test_early_hints_pass_and_a_stray_100_does_not(self):
        self.start(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n"
                   b"\r\n" + CANNED)
        with self.server.client() as client:
            client.send(self.head())
            hints = harness.Response(client.receive_until(b"\r\n\r\n"))
            self.assertEqual((hints.status, hints.header("link")), (103, "</a.css>"))
            self.assertEqual(client.receive_response().body, b"ok")

    def test_first_bytes_pass_before_the_rest_exists(self):
        may_go_on = threading.Event()

        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            may_go_on.wait(harness.DEADLINE_S)
            connection.send(b"later")

        self.start(on_connection=play)
        with self.server.client() as client:
            client.send(self.head())
            client.receive_until(b"\r\n\r\nfirst")
            may_go_on.set()
            self.assertEqual(client.receive_exactly(5), b"later")

    def test_answers_that_are_not_http_become_502(self):
        for answer in (b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                       b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                       b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"HTTP/3.0 200 OK\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nX y: 1\r\n\r\n"):
            with self.subTest(answer):
                self.start(answer)
                self.assert_problem(self.get(), 502, "upstream_bad_message")
                self.assertTrue(self.backend.connections[0].closed.wait(harness.DEADLINE_S))

    def test_too_large_a_head_becomes_502(self):
        self.start(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n")
        self.assert_problem(self.get(), 502, "upstream_head_too_large")


class ConnectionsToTheBackend(ProxyTest):
    def assert_reused(self, expected, first):
        """Whether the connection of `first` served the next request, too."""
        self.assertEqual(first.status, 200)
        self.assertEqual(self.get().status, 200)
        self.assertEqual(len(self.backend.connections), 1 if expected else 2)

    def test_one_connection_serves_one_request_after_the_other(self):
        self.start()
        for number in range(10):  # from a new client each
            self.get(f"/{number}")
            harness.post(self.server.url + "/", b"body")
        self.assertEqual([len(self.backend.connections), len(self.backend.requests)], [1, 20])

    def test_many_at_once_are_kept_and_used_again(self):
        barrier = threading.Barrier(5)

        def answer(request):
            if request.target == "/together":
                barrier.wait(harness.DEADLINE_S)
            return peers.HELLO

        self.start(answer)
        for _ in range(2):
            threads = [threading.Thread(target=self.get, args=("/together",)) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(harness.DEADLINE_S)
        self.assertEqual([len(self.backend.connections), len(self.backend.requests)], [5, 10])

    def test_connection_is_not_used_again_after_it_was_said_so(self):
        for answer in (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                       b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"):
            with self.subTest(answer):
                self.start(answer)
                self.assert_reused(False, self.get())

    def test_connection_with_bytes_that_nobody_asked_for_is_not_used_again(self):
        self.start(CANNED + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")
        for _ in range(3):
            self.assertEqual(self.get().body, b"ok")
        self.assertEqual(len(self.backend.connections), 3)

    def test_connection_of_an_unfinished_request_is_not_used_again(self):
        self.start(lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 10
                   if request.target == "/long" else CANNED)
        with self.server.client() as client:
            client.send(self.head("GET", "/long"))
            client.receive_until(b"\r\n\r\nxxxxxxxxxx")
        self.assertTrue(self.backend.connections[0].closed.wait(harness.DEADLINE_S))
        self.assertEqual(self.get().body, b"ok")
        self.assertEqual(len(self.backend.connections), 2)

    def test_connection_that_the_backend_closed_is_never_given_a_post(self):
        # The close has arrived (loopback delivers within the call) before the next POST is sent.
        def play(connection):
            if (request := connection.read_request()) is not None:
                self.backend.requests.append(request)
                connection.send(CANNED)

        self.start(on_connection=play)
        for number in range(50):
            response = harness.post(self.server.url + f"/{number}", b"once")
            self.assertEqual(response.body, b"ok")
            self.assertTrue(self.backend.connections[-1].closed.wait(harness.DEADLINE_S))
        self.assertEqual([r.target for r in self.backend.requests], [f"/{n}" for n in range(50)])

    def test_get_that_meets_a_closing_connection_is_sent_again(self):
        def play(connection):
            connection.read_request()
            connection.send(CANNED)
            connection.read_request()  # the second request gets no answer on this connection

        self.start(on_connection=play)
        for _ in range(6):
            self.assertEqual(self.get().status, 200)

    def test_post_that_was_sent_is_never_sent_again(self):
        def play(connection):
            request = connection.read_request()
            self.backend.requests.append(request)
            if request.target != "/lost":
                connection.send(CANNED)
                self.backend.requests.append(connection.read_request())

        self.start(on_connection=play)
        self.assertEqual(self.get().status, 200)
        self.assert_problem(harness.post(self.server.url + "/lost", b"pay"), 502,
                            "upstream_closed")
        self.assertEqual([r.target for r in self.backend.requests], ["/", "/lost"])


class Failures(ProxyTest):
    def test_nobody_there_is_502_at_once(self):
        with socket.socket() as taken:  # bound and not listening: refuses
            taken.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            with harness.Millrace(config([f"http://{address}"])) as server:
                response = harness.get(server.url + "/some/path")
                self.assert_problem(response, 502, "connect_refused")
                problem = response.json()
                self.assertEqual((problem["status"], problem["instance"]), (502, "/some/path"))
                self.assertNotIn(address, response.body.decode())  # nothing of the inside
                html = harness.get(server.url + "/", [("Accept", "text/html")])
                self.assertEqual(html.status, 502)
                self.assertTrue(html.header("content-type").startswith("text/html"))

    def test_another_target_is_tried(self):
        with socket.socket() as taken, peers.Backend() as backend:
            taken.bind(("127.0.0.1", 0))
            down = "http://127.0.0.1:%d" % taken.getsockname()[1]
            with harness.Millrace(config([down, backend.url])) as server:
                for method in ("GET", "POST"):
                    for number in range(5):  # 10 retries a second are free of the budget's share
                        response = harness.request(f"{server.url}/{number}", method, body=b"body")
                        self.assertEqual((response.status, response.body), (200, b"hello"))
            self.assertEqual([r.target for r in backend.requests],
                             [f"/{n}" for n in (*range(5), *range(5))])
            self.assertEqual({r.body for r in backend.requests}, {b"body"})

    def test_missing_unix_socket_is_502(self):
        with harness.Millrace(config(["unix:/nonexistent/socket"])) as server:
            self.assertEqual(harness.get(server.url + "/").status, 502)

    def test_backend_that_accepts_and_closes_is_502(self):
        self.start(on_connection=lambda connection: connection.read_request())
        self.assert_problem(self.get(), 502, "upstream_closed")
        self.start(on_connection=lambda connection: (connection.read_request(),
                                                     connection.reset()))
        self.assertEqual(self.get().status, 502)

    def test_silence_is_504_and_the_connection_is_given_up(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def play(connection):
            request = connection.read_request()
            if request.target == "/slow":
                connection.wait_for_close()
                release.set()
            else:
                connection.send(CANNED)

        self.start(on_connection=play, timeout='{ first_byte = "1s" }')
        with self.server.client() as client:
            self.assert_problem(client.request(self.head("GET", "/slow")), 504,
                                "first_byte_timeout")
            self.assertTrue(release.wait(harness.DEADLINE_S))  # the backend saw us go
            self.assertEqual(client.request(self.head()).body, b"ok")

    def test_a_long_answer_is_no_slow_answer(self):
        # first_byte is for the head; the pieces of the body take several times as long in all.
        steps = threading.Semaphore(0)

        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            for byte in b"hello":
                steps.acquire(timeout=0.4)  # never released: a pace of 400 ms
                connection.send(bytes([byte]))

        self.start(on_connection=play, timeout='{ first_byte = "1s", idle = "20s" }')
        self.assertEqual(self.get().body, b"hello")

    def test_body_that_stalls_is_aborted(self):
        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            connection.wait_for_close()

        self.start(on_connection=play, timeout='{ idle = "500ms" }')
        self.assert_aborted(b"only this")

    def test_total_time_is_a_limit_too(self):
        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            with contextlib.suppress(OSError):
                while not connection.closed.wait(0.02):
                    connection.send(b"1\r\nx\r\n")

        self.start(on_connection=play, timeout='{ total = "1s" }')
        self.assert_aborted(b"x")

    def test_truncated_body_never_ends_cleanly(self):
        heads = {"chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                 "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
                 "no last line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 b"5\r\nhello\r\n0\r\n",
                 "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"}
        for name, answer in heads.items():
            for end in (peers.Connection.close, peers.Connection.reset):
                with self.subTest(name, end=end.__name__):
                    read = threading.Event()

                    def play(connection, answer=answer, end=end, read=read):
                        connection.read_request()
                        connection.send(answer)
                        read.wait(harness.DEADLINE_S)
                        end(connection)

                    self.start(on_connection=play)
                    self.assert_aborted(b"hello", read.set)

    def assert_aborted(self, seen, then=lambda: None):
        """The client gets a 200, the bytes `seen`, and no proper end."""
        with self.server.client() as client:
            client.send(self.head())
            head = client.receive_until(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
            body = client.receive_until(seen)
            then()
            with contextlib.suppress(ConnectionResetError):
                body += client.receive_all()
        if b"chunked" in head.lower():
            self.assertFalse(body.endswith(b"0\r\n\r\n"), body)
        else:
            self.assertLess(len(body), 100)

    def test_early_answer_of_a_backend_that_reads_no_further(self):
        def play(connection):
            connection._until(b"\r\n\r\n")
            connection.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n"
                            b"Content-Length: 3\r\n\r\nno!")

        self.start(on_connection=play)
        for framing in ("Content-Length: 9000000", "Transfer-Encoding: chunked"):
            with self.subTest(framing), self.server.client() as client:
                client.send(self.head("POST", "/", framing))
                if "chunked" in framing:
                    client.send("186a0\r\n")
                client.send(b"x" * 100_000)
                response = client.receive_response("POST")
                self.assertEqual((response.status, response.body), (413, b"no!"))


if __name__ == "__main__":
    unittest.main()
