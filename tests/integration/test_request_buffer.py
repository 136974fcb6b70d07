"""Request bodies that are taken in before a service is asked: which, for how long, and whole."""

import os
import pathlib
import unittest

import h2client
import harness
import peers
from test_proxy import config

KIB = 1024
MIB = 1 << 20


class RequestBuffer(unittest.TestCase):
    def start(self, route="", extra="", **keys):
        self.backend = self.enterContext(peers.Backend())
        text = config([self.backend.url], **keys) + route + "\n" + extra
        self.server = self.enterContext(harness.Millrace(text))

    def head(self, framing, path="/", method="POST", *fields):
        return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", framing, *fields, "", ""])

    def assert_taken_in(self, client, first, rest):
        """Nobody is asked before all of it is here."""
        client.send(first)
        # Once another request has passed through, that one has had its chance.
        harness.get(self.server.url + "/meanwhile")
        self.assertEqual([r.target for r in self.backend.requests], ["/meanwhile"])
        self.assertNotIn(b"POST", self.backend.received_bytes)
        client.send(rest)
        self.assertEqual(client.receive_response("POST").status, 200)

    def assert_streams(self, client, first, mark):
        client.send(first)
        harness.wait_until(lambda: mark in self.backend.received_bytes, what="the first bytes")

    def test_a_slow_upload_occupies_nobody(self):
        self.start()
        body = os.urandom(100_000)
        with self.server.client() as client:
            self.assert_taken_in(client, self.head(f"Content-Length: {len(body)}").encode()
                                 + body[:50_000], body[50_000:])
        self.assertEqual(self.backend.requests[-1].body, body)
        self.assertEqual(self.backend.requests[-1].header("content-length"), str(len(body)))

    def test_up_to_a_mebibyte(self):
        self.start()
        for size, streams in ((MIB, False), (MIB + 1, True)):
            with self.subTest(size), self.server.client() as client:
                body = b"%d " % size + b"x" * (size - len(b"%d " % size))
                first = self.head(f"Content-Length: {size}").encode() + body[:1000]
                if streams:
                    self.assert_streams(client, first, body[:1000])
                    client.send(body[1000:])
                    client.receive_response("POST")
                else:
                    self.assert_taken_in(client, first, body[1000:])
                self.assertEqual(self.backend.requests[-1].body, body)

    def test_chunks_stream_at_once(self):
        self.start()
        with self.server.client() as client:
            self.assert_streams(client, self.head("Transfer-Encoding: chunked") + "3\r\none\r\n",
                                b"one")
            client.send("0\r\n\r\n")
            client.receive_response("POST")

    def test_grpc_streams_at_once(self):
        self.start()
        with self.server.client() as client:
            self.assert_streams(client, self.head("Content-Length: 9", "/", "POST",
                                                  "Content-Type: application/grpc") + "half", b"half")
            client.send("whole")
            client.receive_response("POST")

    def test_the_route_says_otherwise(self):
        self.start('buffer_request = "off"')
        with self.server.client() as client:
            self.assert_streams(client, self.head("Content-Length: 8") + "half", b"half")
            client.send("done")
            client.receive_response("POST")
        self.start('buffer_request = "4KiB"')
        with self.server.client() as client:
            self.assert_streams(client, self.head(f"Content-Length: {4 * KIB + 1}") + "part", b"part")
        with self.server.client() as client:
            body = "x" * (4 * KIB)
            self.backend.requests.clear()
            first = self.head(f"Content-Length: {4 * KIB}", "/small")
            client.send(first + body[:100])
            harness.get(self.server.url + "/meanwhile")
            self.assertNotIn(b"/small", self.backend.received_bytes)
            client.send(body[100:])
            self.assertEqual(client.receive_response("POST").status, 200)

    def test_over_the_limit_of_memory_it_streams(self):
        self.start(extra="[limits]\nheld_bodies = 0")
        with self.server.client() as client:
            self.assert_streams(client, self.head("Content-Length: 100000") + "half", b"half")
            client.send("x" * (100_000 - 4))
            self.assertEqual(client.receive_response("POST").status, 200)

    def test_the_continue_is_asked_for(self):
        self.start()
        with self.server.client() as client:
            client.send(self.head("Content-Length: 4", "/", "POST", "Expect: 100-continue"))
            self.assertEqual(harness.Response(client.receive_until(b"\r\n\r\n")).status, 100)
            client.send("body")
            self.assertEqual(client.receive_response("POST").status, 200)
        self.assertEqual(self.backend.requests[0].body, b"body")

    def test_a_body_that_breaks_off_reaches_nobody(self):
        self.start()
        with self.server.client() as client:
            client.send(self.head("Content-Length: 8") + "half")
        line = harness.wait_until(lambda: self.server.events("access"), what="the log")[0]
        self.assertIn(line["cause"], ("client_gone", "body_truncated"))
        self.assertEqual(self.backend.received_bytes, b"")

    def test_requests_behind_it_on_the_connection(self):
        self.start()
        with self.server.client() as client:
            client.send(self.head("Content-Length: 4") + "one\n" + self.head("Content-Length: 4")
                        + "two\n" + "GET /last HTTP/1.1\r\nHost: a\r\n\r\n")
            for _ in range(3):
                self.assertEqual(client.receive_response().status, 200)
        self.assertEqual([r.body for r in self.backend.requests], [b"one\n", b"two\n", b""])

    def test_over_http2_with_a_length(self):
        self.start()
        body = os.urandom(150_000)
        with h2client.Connection(self.server) as client:
            stream = client.request("POST", "/", [("content-length", str(len(body)))],
                                    end_stream=False)
            client.data(stream, body[:30_000])
            client.ping()
            harness.get(self.server.url + "/meanwhile")
            self.assertNotIn(b"POST", self.backend.received_bytes)
            client.data(stream, body[30_000:], end_stream=True)
            self.assertEqual(client.answer(stream).status, 200)
        self.assertEqual(self.backend.requests[-1].body, body)

    def test_over_http2_without_a_length_it_streams(self):
        self.start()
        with h2client.Connection(self.server) as client:
            stream = client.request("POST", end_stream=False)
            client.data(stream, b"half")
            harness.wait_until(lambda: b"half" in self.backend.received_bytes, what="the half")
            client.data(stream, b"done", end_stream=True)
            self.assertEqual(client.answer(stream).status, 200)

    def test_a_request_that_failed_is_sent_again_with_its_body(self):
        bodies = []

        def fails_once(connection):
            request = connection.read_request()
            bodies.append(request.body)
            if len(bodies) == 2:
                connection.send(peers.HELLO)

        backend = self.enterContext(peers.Backend(on_connection=fails_once))
        server = self.enterContext(harness.Millrace(config([backend.url])))
        body = os.urandom(300_000)
        self.assertEqual(harness.request(server.url + "/", "PUT", body=body).status, 200)
        self.assertEqual(bodies, [body, body])


class Spill(RequestBuffer):
    """Only what is different; the rest holds for it as well."""

    def start(self, route='buffer_request = "spill"', extra="", **keys):
        super().start(route, extra, **keys)

    test_up_to_a_mebibyte = None
    test_chunks_stream_at_once = None
    test_the_route_says_otherwise = None
    test_over_http2_without_a_length_it_streams = None

    def test_large_bodies_are_taken_in_whole(self):
        self.start()
        body = os.urandom(3 * MIB)
        with self.server.client() as client:
            self.assert_taken_in(client, self.head(f"Content-Length: {len(body)}").encode()
                                 + body[:MIB], body[MIB:])
        self.assertEqual(self.backend.requests[-1].body, body)

    def test_chunks_get_a_length(self):
        self.start()
        body = os.urandom(MIB)
        with self.server.client() as client:
            self.assert_taken_in(client, self.head("Transfer-Encoding: chunked").encode()
                                 + b"%x\r\n" % len(body) + body + b"\r\n", b"0\r\n\r\n")
        received = self.backend.requests[-1]
        self.assertEqual(received.body, body)
        self.assertEqual(received.header("content-length"), str(len(body)))
        self.assertIsNone(received.header("transfer-encoding"))

    def test_trailers_stay(self):
        self.start()
        with self.server.client() as client:
            client.send(self.head("Transfer-Encoding: chunked")
                        + "4\r\nbody\r\n0\r\nX-Check: 1\r\n\r\n")
            self.assertEqual(client.receive_response("POST").status, 200)
        received = self.backend.requests[-1]
        self.assertEqual((received.body, received.trailers), (b"body", [("X-Check", "1")]))

    def test_the_file_has_no_name_and_goes_with_its_request(self):
        self.start()
        size = 2 * MIB
        with self.server.client() as client:
            client.send(self.head(f"Content-Length: {size}").encode() + b"x" * (size - 1))
            harness.wait_until(lambda: self.spilled(size - 1 - 256 * KIB), what="the file")
            client.send("x")
            self.assertEqual(client.receive_response("POST").status, 200)
            harness.wait_until(lambda: not self.spilled(0), what="the file to be gone")

    def spilled(self, bytes_min):
        """Whether the server has a deleted file of that many bytes at least."""
        for link in pathlib.Path(f"/proc/{self.server.pid}/fd").iterdir():
            try:
                if "(deleted)" in os.readlink(link) and link.stat().st_size >= bytes_min:
                    return True
            except OSError:
                continue
        return False

    def test_what_the_disk_may_not_take_streams(self):
        self.start(extra="[limits]\nspilled_bodies = 0")
        body = os.urandom(2 * MIB)
        with self.server.client() as client:
            first = self.head(f"Content-Length: {len(body)}").encode() + body[:MIB]
            self.assert_streams(client, first, body[MIB - 100:MIB])
            client.send(body[MIB:])
            self.assertEqual(client.receive_response("POST").status, 200)
        self.assertEqual(self.backend.requests[-1].body, body)


if __name__ == "__main__":
    unittest.main()
