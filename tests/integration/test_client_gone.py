"""Clients that go away: what they asked for ends at the service within a second, whatever they were
doing, or is finished where that was asked for; and it is counted as 499 with the time wasted."""

import signal
import threading
import unittest

import h2client
import harness
import peers
from test_proxy import CANNED, config

from hyperframe.frame import RstStreamFrame

# Promised is a second; a busy machine has its own time, a broken server takes 60.
CANCEL_S = 10.0


class Gone(unittest.TestCase):
    def start(self, play=None, **keys):
        """A backend that `play`s with each connection (before the client leaves), then waits for
        its end: self.ended."""
        self.ready, self.ended = threading.Event(), threading.Event()

        def script(connection):
            (play or peers.Connection.read_request)(connection)
            self.ready.set()
            if connection.wait_for_close():
                self.ended.set()

        route = keys.pop("route", "")
        self.backend = self.enterContext(peers.Backend(on_connection=script))
        self.server = self.enterContext(
            harness.Millrace(config([self.backend.url], **keys) + route + "\n"))

    def assert_ended(self):
        self.assertTrue(self.ended.wait(CANCEL_S), "the upstream request goes on")

    def access_line(self):
        return harness.wait_until(lambda: self.server.events("access"), what="the log")[0]

    def wait_until_asked(self):
        self.assertTrue(self.ready.wait(harness.DEADLINE_S))

    def metric(self, name):
        text = harness.get(self.server.admin + "/metrics").body.decode()
        return float(dict(line.rsplit(" ", 1) for line in text.splitlines()
                          if not line.startswith("#"))[name])


class Counted(Gone):
    def test_as_499_with_the_time_that_was_wasted(self):
        for method, body in (("GET", ""), ("POST", "body")):
            with self.subTest(method):
                self.start()
                with self.server.client() as client:
                    client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n"
                                f"Content-Length: {len(body)}\r\n\r\n{body}")
                    self.wait_until_asked()
                self.assert_ended()
                line = self.access_line()
                self.assertEqual((line["status"], line["cause"]), (499, "client_gone"))
                self.assertGreater(line["wasted_us"], 0)
                self.assertEqual(self.metric("millrace_client_gone_seconds_count"), 1)
                self.assertGreater(self.metric("millrace_client_gone_seconds_sum"), 0)


class Uploads(Gone):
    def test_the_service_learns_of_it_although_it_does_not_read(self):
        def play(connection):
            connection._until(b"\r\n\r\n")
            self.ready.set()
            if not connection.wait_for_reset(CANCEL_S):
                raise TimeoutError

        self.start(play)
        with self.server.client() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n"
                        + bytes(200_000))
            self.wait_until_asked()
        self.assert_ended()
        self.assertIn(self.access_line()["cause"], ("client_gone", "body_truncated"))


class Http2(Gone):
    """One stream that is reset, and a connection that ends."""

    def leave(self, client, stream, how):
        if how == "reset":
            client.send(RstStreamFrame(stream, error_code=h2client.CANCEL))
        else:
            client.close()

    def assert_cancelled(self, play, ask):
        for how in ("reset", "close"):
            with self.subTest(how):
                self.start(play)
                with h2client.Connection(self.server) as client:
                    stream = ask(client)
                    self.wait_until_asked()
                    self.leave(client, stream, how)
                    self.assert_ended()
                    line = self.access_line()
                    self.assertEqual(line["cause"], "client_gone")

    def test_while_the_service_thinks(self):
        self.assert_cancelled(peers.Connection.read_request, lambda client: client.request())

    def test_a_post_that_is_thought_about(self):
        def ask(client):
            stream = client.request("POST", fields=[("content-length", "4")], end_stream=False)
            client.data(stream, b"body", end_stream=True)
            return stream

        self.assert_cancelled(peers.Connection.read_request, ask)

    def test_in_the_middle_of_its_answer(self):
        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")

        def ask(client):
            stream = client.request()
            client.until(lambda: client.streams[stream].body, "the first event")
            return stream

        self.assert_cancelled(play, ask)

    def test_in_the_middle_of_its_body(self):
        def ask(client):
            stream = client.request("POST", end_stream=False)
            client.data(stream, b"half")
            return stream

        self.assert_cancelled(lambda connection: connection._until(b"half"), ask)

    def test_others_on_the_connection_go_on(self):
        def play(connection):
            if connection.read_request().target == "/other":
                self.assertTrue(self.ended.wait(harness.DEADLINE_S))
                connection.send(CANNED)

        self.start(play)
        with h2client.Connection(self.server) as client:
            other = client.request(path="/other")
            stream = client.request(path="/gone")
            self.wait_until_asked()
            self.leave(client, stream, "reset")
            self.assertEqual(client.answer(other).status, 200)


class Queued(Gone):
    def test_over_http2(self):
        self.start(concurrency=1)
        with self.server.client() as first, h2client.Connection(self.server) as client:
            first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
            self.wait_until_asked()
            stream = client.request()
            client.ping()
            client.send(RstStreamFrame(stream, error_code=h2client.CANCEL))
            line = self.access_line()
            self.assertEqual((line["cause"], line["attempts"]), ("client_gone", 0))
            self.assertEqual(len(self.backend.connections), 1)


class Finish(Gone):
    def start_finishing(self):
        """/finish is finished by the backend once self.go_on is set; everything else is cancelled."""
        self.go_on, self.finished = threading.Event(), []
        self.addCleanup(self.go_on.set)
        self.asked, self.gone = threading.Semaphore(0), threading.Event()

        def play(connection):
            request = connection.read_request()
            self.asked.release()
            if request.target != "/finish":
                connection.wait_for_close()
                self.gone.set()
                return
            self.go_on.wait(harness.DEADLINE_S)
            connection.send(CANNED)
            # The connection is used again: nobody has broken this exchange off.
            self.finished.append(connection.read_request().target)
            connection.send(CANNED)

        self.backend = self.enterContext(peers.Backend(on_connection=play))
        text = config([self.backend.url]).replace('path = "/*"', 'path = "/finish"')
        self.server = self.enterContext(harness.Millrace(
            text + 'client_gone = "finish"\n[[route]]\nupstream = "backend"\n'))

    def ask(self, path):
        client = self.server.client()
        client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        self.assertTrue(self.asked.acquire(timeout=harness.DEADLINE_S))
        return client

    def test_the_service_is_left_to_finish(self):
        self.start_finishing()
        finish, other = self.ask("/finish"), self.ask("/other")
        finish.reset()
        other.reset()
        self.assertTrue(self.gone.wait(CANCEL_S))  # so the first one's end is seen, too
        self.go_on.set()
        line = harness.wait_until(
            lambda: [e for e in self.server.events("access") if e["target"] == "/finish"],
            what="the log")[0]
        self.assertEqual((line["cause"], line["upstream_status"]), ("client_gone", 200))
        self.assertGreater(line["wasted_us"], 0)
        self.assertEqual(harness.get(self.server.url + "/finish").body, b"ok")
        self.assertEqual(self.finished, ["/finish"])

    def test_a_stopping_server_does_not_wait_for_it(self):
        self.start_finishing()
        finish, other = self.ask("/finish"), self.ask("/other")
        finish.reset()
        other.reset()
        self.assertTrue(self.gone.wait(CANCEL_S))
        self.server.signal(signal.SIGTERM)
        harness.wait_until(lambda: self.server.events("draining"), what="the drain")
        self.server.signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(), 0)


if __name__ == "__main__":
    unittest.main()
