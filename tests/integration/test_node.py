"""Node behind Millrace: plain node:http and node:http2 services, as Debian's nodejs runs them."""

import collections
import hashlib
import json
import pathlib
import threading
import time
import unittest

import h2client
import harness
import peers
from test_proxy import config
from test_python_services import UPLOAD, chunked
from test_websocket import KEY, H2WebSocket, accept_for

APPS = pathlib.Path(__file__).parent / "apps"
LINK = "</style.css>; rel=preload; as=style"


def digest(data):
    return hashlib.sha256(data).hexdigest()


def node_http(keep_alive_ms=60_000):
    return peers.Node(APPS / "node_http.js", keep_alive_ms)


class NodeTest(unittest.TestCase):
    """The subclasses start a service, as cls.service, and Millrace, as cls.server."""

    def get(self, path, headers=()):
        return harness.get(self.server.url + path, headers)

    def connect(self):
        return self.enterContext(self.server.client())

    def connect_h2(self):
        return self.enterContext(h2client.Connection(self.server))

    def break_off(self):
        self.assertEqual(harness.post(self.server.url + "/break").status, 204)

    def assert_broken_off_over_http_2(self):
        client = self.connect_h2()
        stream = client.streams[client.request(path="/begin")]
        client.until(lambda: stream.body == b"begun", "what there is of it")
        self.break_off()
        client.until(lambda: stream.over, "the reset")
        self.assertEqual((stream.body, stream.ended), (b"begun", False))

    def head(self, method, path, *lines):
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {self.server.address}", *lines,
                            "", ""])


class Http(NodeTest):
    """node:http, for clients of both protocols."""

    @classmethod
    def setUpClass(cls):
        cls.service = cls.enterClassContext(node_http())
        cls.server = cls.enterClassContext(harness.Millrace(config([cls.service.url])))

    def test_fields_arrive(self):
        sent = [("X-Twice", "1"), ("X-Twice", "2"), ("Cookie", "a=b; c=d"), ("X-Empty", ""),
                ("Accept", "text/html, */*;q=0.1")]
        seen = self.get("/describe?a=1&b=%2F", sent).json()
        self.assertEqual((seen["method"], seen["url"], seen["version"]),
                         ("GET", "/describe?a=1&b=%2F", "1.1"))
        for name, value in sent:
            self.assertIn([name.lower(), value], seen["fields"])
        fields = dict(seen["fields"])
        self.assertEqual((fields["host"], fields["x-forwarded-for"], fields["via"]),
                         (self.server.address, "127.0.0.1", "1.1 millrace"))

    def test_bodies_of_both_framings_arrive(self):
        seen = harness.post(self.server.url + "/describe", UPLOAD).json()
        self.assertEqual((seen["bytes"], seen["sha256"]), (len(UPLOAD), digest(UPLOAD)))
        self.assertEqual(dict(seen["fields"])["content-length"], str(len(UPLOAD)))
        client = self.connect()
        client.send(self.head("POST", "/describe", "Transfer-Encoding: chunked"))
        client.send(chunked(UPLOAD))
        seen = client.receive_response("POST").json()
        self.assertEqual((seen["bytes"], seen["sha256"]), (len(UPLOAD), digest(UPLOAD)))
        self.assertEqual(dict(seen["fields"])["transfer-encoding"], "chunked")

    def test_node_echoes_a_large_body_while_it_comes(self):
        client = self.connect()
        sender = threading.Thread(target=lambda: client.send(
            self.head("POST", "/echo", "Transfer-Encoding: chunked",
                      "Content-Type: x/y").encode() + chunked(UPLOAD)))
        sender.start()
        response = client.receive_response("POST")
        sender.join(harness.DEADLINE_S)
        self.assertEqual((response.status, response.header("content-type")), (200, "x/y"))
        self.assertEqual(digest(response.body), digest(UPLOAD))

    def test_chunks_go_around_one_by_one(self):
        client = self.connect()
        client.send(self.head("POST", "/echo", "Transfer-Encoding: chunked"))
        client.receive_until(self.say(client, b"one"))
        for word in (b"two", b"three"):
            client.receive_until(self.say(client, word))
        client.send("0\r\n\r\n")
        client.receive_until(b"0\r\n\r\n")
        self.assertEqual(client.request(self.head("GET", "/describe")).status, 200)

    def say(self, client, word):
        chunk = b"%x\r\n%b\r\n" % (len(word), word)
        client.send(chunk)
        return chunk

    def test_trailers_of_a_request(self):
        client = self.connect()
        client.send(self.head("POST", "/describe", "Transfer-Encoding: chunked", "Trailer: X-Sum")
                    + "5\r\nhello\r\n0\r\nX-Sum: 7\r\nHost: evil.example\r\n\r\n")
        seen = client.receive_response("POST").json()
        self.assertEqual((seen["bytes"], seen["trailers"]), (5, [["x-sum", "7"]]))

    def test_trailers_of_an_answer(self):
        client = self.connect()
        response = client.request(self.head("GET", "/trailers", "TE: trailers",
                                            "Connection: TE"))
        self.assertEqual((response.body, response.trailers),
                         (b"hello", [("X-Sum", "7"), ("X-Late", "yes")]))
        response = client.request(self.head("GET", "/trailers"))
        self.assertEqual((response.body, response.trailers), (b"hello", []))
        answer = self.connect_h2().get("/trailers")
        self.assertEqual((answer.body, dict(answer.trailers)["x-sum"]), (b"hello", "7"))

    def test_an_event_arrives_before_the_next_one_is_made(self):
        client = self.connect()
        client.send(self.head("GET", "/events/h1"))
        head = harness.Response(client.receive_until(b"\r\n\r\n"))
        self.assertEqual(head.header("content-type"), "text/event-stream")
        client.receive_until(b"data: first\n\n")
        self.assertEqual(harness.post(self.server.url + "/release/h1").status, 204)
        client.receive_until(b"data: second\n\n")
        client.receive_until(b"0\r\n\r\n")

    def test_an_event_arrives_over_http_2(self):
        client = self.connect_h2()
        stream = client.streams[client.request(path="/events/h2")]
        client.until(lambda: stream.body == b"data: first\n\n", "the first event")
        self.assertEqual(client.post("/release/h2").status, 204)
        client.until(lambda: stream.ended, "the end")
        self.assertEqual(stream.body, b"data: first\n\ndata: second\n\n")

    def test_early_hints_come_first(self):
        client = self.connect()
        client.send(self.head("GET", "/hints"))
        interim = harness.Response(client.receive_until(b"\r\n\r\n"))
        self.assertEqual((interim.status, interim.header("link")), (103, LINK))
        self.assertEqual(client.receive_response().body, b"after the hints")
        answer = self.connect_h2().get("/hints")
        self.assertEqual([dict(i)[":status"] for i in answer.interim], ["103"])
        self.assertEqual((dict(answer.interim[0])["link"], answer.body), (LINK, b"after the hints"))

    def test_100_continue(self):
        client = self.connect()
        client.send(self.head("POST", "/describe", "Content-Length: 5", "Expect: 100-continue"))
        self.assertEqual(client.receive_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send("hello")
        response = client.receive_response("POST")
        self.assertEqual((response.status, response.json()["sha256"]), (200, digest(b"hello")))

    def test_what_node_refuses_is_passed_on(self):
        response = self.get("/nothing")
        self.assertEqual((response.status, response.body), (404, b"no such thing"))

    def test_an_answer_that_breaks_off_is_never_whole(self):
        client = self.connect()
        client.send(self.head("GET", "/begin"))
        client.receive_until(b"begun")
        self.break_off()
        self.assertEqual(client.receive_all(), b"\r\n")
        self.assert_broken_off_over_http_2()

    # -- a WebSocket's handshake, and bytes through it --------------------------------------------

    def shake(self, client, path="/", more=""):
        client.send(self.head("GET", path, "Connection: Upgrade", "Upgrade: websocket",
                              "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}") + more)
        return client.receive_response()

    def test_bytes_through_an_upgrade(self):
        client = self.connect()
        # What comes with the head waits until the handshake is done.
        response = self.shake(client, more="early")
        self.assertEqual((response.status, response.header("upgrade")), (101, "websocket"))
        self.assertEqual(response.header("sec-websocket-accept"), accept_for(KEY.encode()).decode())
        self.assertEqual(response.header("x-early"), "0")
        self.assertEqual(client.receive_exactly(5), b"early")
        sender = threading.Thread(target=client.send, args=(UPLOAD,))
        sender.start()
        received = client.receive_exactly(len(UPLOAD))
        sender.join(harness.DEADLINE_S)
        self.assertEqual(digest(received), digest(UPLOAD))

    def test_bytes_through_an_upgrade_of_http_2(self):
        client = self.connect_h2()
        socket = H2WebSocket(client)
        self.assertEqual(socket.opened(), 200)
        for word in (b"one", b"two"):
            client.data(socket.id, word)
            client.until(lambda word=word: socket.stream.body.endswith(word), "the echo")
        self.assertEqual(socket.stream.body, b"onetwo")

    def test_a_refused_upgrade_is_an_answer_like_any(self):
        client = self.connect()
        response = self.shake(client, "/refuse")
        self.assertEqual((response.status, response.body), (403, b"no"))
        self.assertEqual(client.request(self.head("GET", "/describe")).status, 200)

    def test_the_end_of_an_upgrade_reaches_the_other_side(self):
        client = self.connect()
        self.assertEqual(self.shake(client, "/bye").status, 101)
        self.assertEqual(client.receive_all(), b"bye")


class KeepAlive(NodeTest):
    """Node closes idle connections; with its usual 5 s it is everybody's classic sporadic 502."""

    def start(self, keep_alive_ms):
        self.service = self.enterContext(node_http(keep_alive_ms))
        self.server = self.enterContext(harness.Millrace(config([self.service.url])))

    def ask(self, client, method="POST", path="/describe"):
        body = "hello" if method == "POST" else ""
        return client.request(self.head(method, path, f"Content-Length: {len(body)}") + body)

    def port(self, client, method="POST", path="/describe"):
        """Which connection to the service this went over."""
        response = self.ask(client, method, path)
        self.assertEqual(response.status, 200, response.body)
        return response.json()["port"]

    def race(self, pauses_s, method="POST", path="/describe"):
        statuses = collections.Counter()

        def ask_again(pause_s):
            with self.server.client() as client:
                for again in (True, False):
                    statuses[self.ask(client, method, path).status] += 1
                    if again:
                        time.sleep(pause_s)  # what is tested: how long a connection was idle

        threads = [threading.Thread(target=ask_again, args=(p,)) for p in pauses_s]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(harness.DEADLINE_S)
        self.assertEqual(statuses, {200: 2 * len(pauses_s)})

    def test_posts_around_the_time_of_the_close(self):
        # Node says "Keep-Alive: timeout=0" then: what is closed within a second is not used again.
        self.start(300)
        self.race([0.26 + 0.005 * i for i in range(20)])
        client = self.connect()
        self.assertEqual(len({self.port(client) for _ in range(3)}), 3)

    def test_posts_around_a_time_that_is_told(self):
        self.start(1000)
        self.race([0.40 + 0.02 * i for i in range(10)] + [0.95 + 0.01 * i for i in range(10)])
        client = self.connect()
        self.assertLess(len({self.port(client) for _ in range(5)}), 5)

    def test_gets_around_a_time_that_is_not_told(self):
        self.start(300)
        self.race([0.26 + 0.005 * i for i in range(20)], "GET", "/describe/silently")

    def test_a_connection_that_was_closed_is_not_used_for_a_post(self):
        self.start(60_000)
        client = self.connect()
        with harness.RawClient("127.0.0.1", self.service.port) as direct:
            for _ in range(30):
                used = self.port(client)
                self.assertEqual(self.port(client), used)
                self.assertEqual(direct.request("GET /close-idle HTTP/1.1\r\nHost: a\r\n\r\n").body,
                                 b"closed")
                self.assertNotEqual(self.port(client), used)


class Http2(NodeTest):
    """node:http2 as an h2c:// target."""

    @classmethod
    def setUpClass(cls):
        cls.service = cls.enterClassContext(peers.Node(APPS / "node_http2.js"))
        cls.server = cls.enterClassContext(
            harness.Millrace(config([f"h2c://127.0.0.1:{cls.service.port}"])))

    def test_an_upgrade_that_cannot_go_there_is_not_the_target_s_failure(self):
        server = self.enterContext(
            harness.Millrace(config([f"h2c://127.0.0.1:{self.service.port}"])))
        with server.client() as client:
            for _ in range(6):
                response = client.request(
                    self.head("GET", "/describe", "Connection: Upgrade", "Upgrade: websocket",
                              "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"))
                self.assertEqual((response.status, response.json()["code"]),
                                 (501, "upstream_no_upgrade"))
        target = harness.get(server.admin + "/upstreams").json()["upstreams"][0]["targets"][0]
        self.assertEqual((target["failures"], target["state"]), (0, "healthy"))

    def test_a_request_arrives(self):
        for seen in (self.get("/describe?a=b", [("X-Mine", "1"), ("Cookie", "a=b")]).json(),
                     json.loads(self.connect_h2().get(
                         "/describe?a=b", [("x-mine", "1"), ("cookie", "a=b")]).body)):
            headers = seen["headers"]
            self.assertEqual([headers[f":{name}"] for name in ("method", "path", "authority")],
                             ["GET", "/describe?a=b", self.server.address])
            self.assertEqual((headers["x-mine"], headers["cookie"], headers["x-forwarded-for"]),
                             ("1", "a=b", "127.0.0.1"))
            self.assertNotIn("connection", headers)

    def test_uploads(self):
        response = harness.post(self.server.url + "/describe", UPLOAD)
        self.assertEqual(response.json()["sha256"], digest(UPLOAD))
        client = self.connect()
        client.send(self.head("POST", "/describe", "Transfer-Encoding: chunked"))
        client.send(chunked(UPLOAD))
        self.assertEqual(client.receive_response("POST").json()["sha256"], digest(UPLOAD))
        self.assertEqual(json.loads(self.connect_h2().post("/describe", UPLOAD).body)["sha256"],
                         digest(UPLOAD))

    def test_downloads(self):
        whole = digest(b"0123456789" * 300_000)
        response = self.get("/download")
        self.assertEqual((response.header("content-length"), digest(response.body)),
                         ("3000000", whole))
        self.assertEqual(digest(self.connect_h2().get("/download").body), whole)

    def test_a_conversation_with_trailers_behind_it(self):
        client = self.connect_h2()
        stream_id = client.request("POST", "/echo", end_stream=False)
        stream = client.streams[stream_id]
        whole = b""
        for word in (b"one ", b"two ", b"three"):
            client.data(stream_id, word)
            whole += word
            client.until(lambda whole=whole: stream.body == whole, "the echo")
        client.data(stream_id, b"", end_stream=True)
        client.answer(stream_id)
        self.assertEqual(dict(stream.trailers)["x-bytes"], str(len(whole)))

    def test_trailers_become_those_of_http_1(self):
        client = self.connect()
        client.send(self.head("POST", "/echo", "Transfer-Encoding: chunked", "TE: trailers",
                              "Connection: TE"))
        client.send(chunked(b"hello"))
        response = client.receive_response("POST")
        self.assertEqual((response.body, response.trailers), (b"hello", [("x-bytes", "5")]))

    def test_trailers_of_a_request(self):
        client = self.connect()
        client.send(self.head("POST", "/describe", "Transfer-Encoding: chunked")
                    + "5\r\nhello\r\n0\r\nX-Sum: 7\r\nHost: evil.example\r\n\r\n")
        seen = client.receive_response("POST").json()
        self.assertEqual((seen["bytes"], seen["trailers"]), (5, {"x-sum": "7"}))

    def test_answers_without_a_body(self):
        client = self.connect()
        for _ in range(2):
            self.assertEqual(client.request(self.head("GET", "/empty")).status, 204)
            response = client.request(self.head("HEAD", "/download"))
            self.assertEqual((response.status, response.header("content-length")),
                             (200, "3000000"))

    def test_early_hints_come_first(self):
        client = self.connect()
        client.send(self.head("GET", "/hints"))
        interim = harness.Response(client.receive_until(b"\r\n\r\n"))
        self.assertEqual((interim.status, interim.header("link")), (103, LINK))
        self.assertEqual(client.receive_response().body, b"after the hints")

    def test_more_at_once_than_node_takes_wait(self):
        client = self.connect_h2()
        ids = [client.request(path=f"/describe?{n}") for n in range(50)]
        for number, stream_id in enumerate(ids):
            answer = client.answer(stream_id)
            self.assertEqual(answer.status, 200)
            self.assertEqual(json.loads(answer.body)["headers"][":path"], f"/describe?{number}")

    def test_an_early_no_ends_the_upload(self):
        client = self.connect_h2()
        stream_id = client.request("POST", "/refuse", end_stream=False)
        answer = client.answer(stream_id)
        self.assertEqual((answer.status, answer.body), (403, b"no"))
        self.assertEqual(client.get("/describe").status, 200)

    def test_a_stream_that_is_reset(self):
        response = harness.post(self.server.url + "/reset", b"x")
        self.assertEqual(response.status, 502)
        self.assertEqual(response.header("content-type"), "application/problem+json")
        self.assert_broken_off_over_http_2()
        self.assertEqual(self.get("/describe").status, 200)

    def test_after_a_goaway_there_is_another_connection(self):
        client, ports = self.connect(), set()
        for _ in range(5):
            seen = client.request(self.head("POST", "/describe", "Content-Length: 0")).json()
            ports.add(seen["port"])
            self.assertEqual(client.request(self.head("GET", "/leave")).body, b"left")
        self.assertEqual(len(ports), 5)


if __name__ == "__main__":
    unittest.main()
