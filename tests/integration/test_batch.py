"""POST /v1/fetch/batch: many URLs at once, a line for each as it is done. What reaches an origin is
judged by the origin."""

import base64
import gzip
import json
import re
import socket
import subprocess
import threading
import unittest

import harness
import peers

LOOPBACK = '[fetch]\nallow_networks = ["127.0.0.1/32"]\n'
JSON = [("Content-Type", "application/json")]
NDJSON = [("Content-Type", "application/x-ndjson")]
PHASES = ("queue", "dns", "connect", "tls", "send", "wait", "receive")


def answer(body=b"", *lines, status="200 OK"):
    return b"\r\n".join([b"HTTP/1.1 " + status.encode(), *(line.encode() for line in lines),
                         b"Content-Length: %d" % len(body), b"", body])


def redirect(to, status=302):
    return answer(b"elsewhere", f"Location: {to}", status=f"{status} Elsewhere")


def as_lines(requests):
    return b"".join(json.dumps(r).encode() + b"\n" for r in requests)


class BatchTest(unittest.TestCase):
    CONFIG = LOOPBACK

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Millrace(cls.CONFIG))
        cls.door = cls.server.url + "/v1/fetch/batch"

    def backend(self, answer_=peers.HELLO, **options):
        if isinstance(answer_, bytes):
            return self.enterContext(peers.Backend(lambda request: answer_, **options))
        return self.enterContext(peers.Backend(answer_, **options))

    def post(self, body, headers=None):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return harness.post(self.door, body, JSON if headers is None else headers)

    def lines(self, response):
        """The item lines, and the summary behind them."""
        self.assertEqual((response.status, response.header("content-type")),
                         (200, "application/x-ndjson"), response.body)
        lines = [json.loads(line) for line in response.body.splitlines()]
        self.assertEqual(list(lines[-1]), ["summary"])
        return lines[:-1], lines[-1]["summary"]

    def batch(self, requests, **options):
        """The item lines in the order of the requests."""
        lines, summary = self.lines(self.post({"requests": requests, **options}))
        self.assertEqual(sorted(line["index"] for line in lines), list(range(len(requests))))
        self.assertEqual(summary["count"], len(requests))
        return sorted(lines, key=lambda line: line["index"])

    def one(self, **item):
        return self.batch([item])[0]

    def assert_error(self, line, code):
        self.assertEqual(set(line), {"index", "error", "timing_us"}, line)
        self.assertEqual(line["error"]["code"], code, line)
        self.assertEqual(set(line["timing_us"]), {"total"})


class Answers(BatchTest):
    def test_line_of_an_answer(self):
        backend = self.backend(answer(b"h\xc3\xa9\n\"\x01", "ETag: \"1\"", "Set-Cookie: a",
                                      "Set-Cookie: b", "Connection: X-Hop", "X-Hop: 1"))
        before = self.one(url=backend.url + "/p?q=%20")
        line = self.one(url=backend.url + "/p?q=%20")
        self.assertEqual(set(line), {"index", "url", "status", "headers", "body", "timing_us",
                                     "connection", "attempts"})
        self.assertEqual((line["url"], line["status"], line["body"], line["attempts"]),
                         (backend.url + "/p?q=%20", 200, "hé\n\"\x01", 1))
        self.assertEqual(line["headers"], [["ETag", "\"1\""], ["Set-Cookie", "a"],
                                           ["Set-Cookie", "b"], ["Content-Length", "6"]])
        self.assertEqual(before["connection"], {"reused": False, "protocol": "http/1.1", "dns": "literal"})
        self.assertIs(type(line["connection"]["reused"]), bool)
        received = backend.requests[0]
        self.assertEqual((received.target, received.all("user-agent"), received.all("accept")),
                         ("/p?q=%20", ["millrace"], ["*/*"]))

    def test_phases_sum_to_the_total(self):
        backend = self.backend()
        for line in self.batch([{"url": backend.url}] * 40, parallel=4):
            timing = line["timing_us"]
            self.assertEqual(list(timing), [*PHASES, "total"])
            self.assertEqual(sum(timing[phase] for phase in PHASES), timing["total"], timing)
            self.assertTrue(all(type(value) is int and value >= 0 for value in timing.values()))

    def test_waiting_for_ones_turn_is_queue(self):
        release = threading.Event()

        def slow(request):
            if request.target == "/slow":
                release.wait(harness.DEADLINE_S)
            return peers.HELLO

        backend = self.backend(slow)
        with self.server.client() as client:
            body = json.dumps({"requests": [{"url": backend.url + "/slow"}, {"url": backend.url}],
                               "parallel": 1})
            client.send("POST /v1/fetch/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json"
                        f"\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            harness.wait_until(lambda: backend.requests, what="the first request")
            release.set()
            lines, _ = self.lines(client.receive_response("POST"))
        first, second = (line["timing_us"] for line in lines)
        self.assertGreaterEqual(second["queue"], first["wait"])
        self.assertLess(second["total"] - second["queue"], second["total"])

    def test_bodies_that_are_no_text_are_base64(self):
        for body in (b"\xff", bytes(range(256)), b"abc\x80", b"caf\xe9", b"\xc3"):
            line = self.one(url=self.backend(answer(body)).url)
            self.assertNotIn("body", line)
            self.assertEqual(base64.b64decode(line["body_base64"], validate=True), body)
        self.assertEqual(self.one(url=self.backend(answer()).url)["body"], "")

    def test_large_bodies_come_whole(self):
        text = "größe \"\n\x02".encode() * 100_000
        binary = bytes(range(256)) * 4001
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        backend = self.backend(lambda request: {
            "/text": answer(text), "/binary": answer(binary),
            "/chunked": chunked % (len(text), text)}[request.target])
        lines = self.batch([{"url": backend.url + path} for path in ("/text", "/binary", "/chunked")])
        self.assertEqual(lines[0]["body"].encode(), text)
        self.assertEqual(base64.b64decode(lines[1]["body_base64"]), binary)
        self.assertEqual(lines[2]["body"].encode(), text)

    def test_codings_are_undone(self):
        coded = gzip.compress(b"text " * 1000)
        backend = self.backend(answer(coded, "Content-Encoding: gzip"))
        line = self.one(url=backend.url)
        self.assertEqual(line["body"], "text " * 1000)
        self.assertEqual(line["headers"], [])
        self.assertIn("gzip", backend.requests[0].header("accept-encoding"))
        ranged = self.one(url=backend.url, headers=[["Range", "bytes=0-"]])
        self.assertEqual(base64.b64decode(ranged["body_base64"]), coded)
        self.assertEqual(backend.requests[1].all("accept-encoding"), [])

    def test_requests_as_they_were_asked_for(self):
        backend = self.backend(lambda request: (
            b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n" if request.method == "HEAD"
            else answer(request.body)))
        url = backend.url
        lines = self.batch([
            {"url": url, "body": "größe"},
            {"url": url, "method": "put", "body_base64": "AP8="},
            {"url": url, "method": "HEAD"},
            {"url": url, "method": "DELETE", "headers": {"Authorization": "Bearer x", "Cookie": "c",
                                                         "User-Agent": "me", "X-K": "ü"}},
            {"url": url, "method": "POST", "headers": [["Content-Type", "text/x"]], "body": ""},
        ], parallel=1)
        self.assertEqual(lines[0]["body"], "größe")
        self.assertEqual(base64.b64decode(lines[1]["body_base64"]), b"\0\xff")
        self.assertEqual((lines[2]["body"], lines[2]["headers"]), ("", [["Content-Length", "77"]]))
        self.assertEqual([r.method for r in backend.requests],
                         ["POST", "PUT", "HEAD", "DELETE", "POST"])
        delete, empty = backend.requests[3:]
        self.assertEqual([delete.header(n) for n in ("authorization", "cookie", "user-agent")],
                         ["Bearer x", "c", "me"])
        self.assertEqual(delete.header("x-k").encode("latin-1").decode(), "ü")
        self.assertEqual(empty.all("content-length"), ["0"])

    def test_redirects(self):
        other = self.backend(answer(b"there"))
        backend = self.backend(lambda request: redirect(other.url + "/x") if request.target == "/a"
                               else redirect("/a", 307))
        line = self.one(url=backend.url, headers={"Authorization": "secret", "X-K": "k"})
        self.assertEqual((line["url"], line["body"], line["attempts"]),
                         (other.url + "/x", "there", 3))
        self.assertEqual((other.requests[0].all("authorization"), other.requests[0].all("x-k")),
                         ([], ["k"]))
        loop = self.backend(redirect("/again"))
        self.assert_error(self.one(url=loop.url), "too_many_redirects")
        away = self.backend(redirect("http://127.0.0.2/"))
        self.assert_error(self.one(url=away.url), "url_refused")

    def test_statuses_are_answers(self):
        backend = self.backend(answer(b"gone", status="410 Gone"))
        lines, summary = self.lines(self.post({"requests": [{"url": backend.url}]}))
        self.assertEqual((lines[0]["status"], lines[0]["body"]), (410, "gone"))
        self.assertEqual((summary["count"], summary["succeeded"], summary["failed"],
                          summary["errors"], summary["bytes"]), (1, 0, 1, 0, 4))
        self.assertGreater(summary["wall_us"], 0)

    def test_nothing_to_do(self):
        self.assertEqual(self.batch([]), [])
        self.assertEqual(self.lines(self.post(b"", NDJSON))[0], [])


class Concurrency(BatchTest):
    def test_lines_come_in_the_order_of_completion_and_before_the_rest(self):
        gates = {f"/{n}": threading.Event() for n in range(4)}

        def wait(request):
            gates[request.target].wait(harness.DEADLINE_S)
            return answer(request.target.encode())

        backend = self.backend(wait)
        body = json.dumps({"requests": [{"url": backend.url + path} for path in gates]})
        with self.server.client() as client:
            client.send("POST /v1/fetch/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json"
                        f"\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            for path in ("/2", "/0", "/3", "/1"):
                gates[path].set()
                self.assertIn(b'"index":' + path[1:].encode(), client.receive_until(b"attempts"))
            client.receive_until(b'"summary"')

    def test_a_hundred_at_once(self):
        everybody = threading.Barrier(100)

        def meet(request):
            everybody.wait(harness.DEADLINE_S)  # nobody is answered until all have come
            return answer(b"x")

        backend = self.backend(meet)
        lines = self.batch([{"url": backend.url}] * 100, parallel=100)
        self.assertEqual({line["body"] for line in lines}, {"x"})
        self.assertEqual(len(backend.connections), 100)

    def test_parallel_is_a_limit(self):
        for parallel, options in ((3, {"parallel": 3}), (16, {})):
            lock, running, most = threading.Lock(), [0], [0]
            full = threading.Event()

            def count(request):
                with lock:
                    running[0] += 1
                    most[0] = max(most[0], running[0])
                    if running[0] == parallel:
                        full.set()
                full.wait(harness.DEADLINE_S)
                with lock:
                    running[0] -= 1
                return answer(b"x")

            backend = self.backend(count)
            self.batch([{"url": backend.url}] * 40, **options)
            self.assertEqual(most[0], parallel)

    def test_parallel_in_the_query(self):
        backend = self.backend()
        body = as_lines([{"url": backend.url}] * 10)
        lines, _ = self.lines(harness.post(self.door + "?parallel=1", body, NDJSON))
        self.assertEqual([line["index"] for line in lines], list(range(10)))
        self.assertEqual(len(backend.connections), 1)
        for bad in ("0", "257", "x"):
            response = harness.post(f"{self.door}?parallel={bad}", body, NDJSON)
            self.assertEqual((response.status, response.json()["code"]), (400, "bad_parameter"))
        for bad in (0, 257, "x", 1.5):
            response = self.post({"requests": [], "parallel": bad})
            self.assertEqual((response.status, response.json()["code"]), (400, "bad_parameter"))


class Ndjson(BatchTest):
    HEAD = ("POST /v1/fetch/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson; a=b\r\n"
            "Transfer-Encoding: chunked\r\n\r\n")

    def chunk(self, data):
        return b"%x\r\n%b\r\n" % (len(data), data)

    def test_fetching_begins_while_lines_still_come(self):
        backend = self.backend()
        with self.server.client() as client:
            client.send(self.HEAD)
            for n in range(3):
                line = as_lines([{"url": f"{backend.url}/{n}"}])
                client.send(self.chunk(line[:9]))
                client.send(self.chunk(line[9:]))
                client.receive_until(b'"attempts"')
                self.assertEqual(backend.requests[-1].target, f"/{n}")
            client.send(self.chunk(b'\r\n\n{"url":"%b/last"}' % backend.url.encode()) + b"0\r\n\r\n")
            rest = client.receive_until(b'"summary"')
            self.assertIn(b'"index":3', rest)

    def test_wrong_lines_are_errors_of_their_own(self):
        backend = self.backend()
        body = b"\n".join([b'{"url":"%b"}' % backend.url.encode(), b"nonsense",
                           b'{"url":"%b","timeout":0}' % backend.url.encode(), b"", b"[]",
                           b'{"url":"%b"}' % backend.url.encode()])
        lines, summary = self.lines(self.post(body, NDJSON))
        lines.sort(key=lambda line: line["index"])
        self.assertEqual([line.get("status") for line in lines], [200, None, None, None, 200])
        self.assertIn("not JSON", lines[1]["error"]["detail"])
        self.assertIn("timeout: expected", lines[2]["error"]["detail"])
        self.assertEqual((summary["succeeded"], summary["failed"], summary["errors"]), (2, 3, 3))

    def test_long_lines_are_parsed_too(self):
        backend = self.backend(lambda request: answer(request.body))
        lines, _ = self.lines(self.post(as_lines([{"url": backend.url, "body": "x" * 100_000}] * 3),
                                        NDJSON))
        self.assertEqual([len(line["body"]) for line in lines], [100_000] * 3)

    def test_a_body_that_breaks_off_ends_everything(self):
        ended, asked = threading.Event(), threading.Event()

        def play(connection):
            connection.read_request()
            asked.set()
            connection.wait_for_close()
            ended.set()

        backend = self.backend(on_connection=play)
        with self.server.client() as client:
            client.send(self.HEAD)
            client.send(self.chunk(as_lines([{"url": backend.url}])))
            self.assertTrue(asked.wait(harness.DEADLINE_S))
            client.send(b"no chunk\r\n")
            self.assertTrue(ended.wait(harness.DEADLINE_S))


class Failures(BatchTest):
    def test_items_fail_alone(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            good = self.backend()
            mute = self.backend(on_connection=lambda c: c.wait_for_close())
            plain = self.backend(on_connection=lambda c: c.send(peers.HELLO))
            lines = self.batch([
                {"url": good.url},
                {"url": "http://127.0.0.1:%d/" % taken.getsockname()[1]},
                {"url": mute.url, "timeout": "50ms"},
                {"url": f"https://127.0.0.1:{plain.port}/"},
                {"url": "ftp://127.0.0.1/"}, {"url": "no url"}, {"url": "http://127.0.0.1:0/"},
                {"url": good.url},
            ])
        self.assertEqual([line["status"] for line in (lines[0], lines[7])], [200, 200])
        for line, code in zip(lines[1:7], ("connect_refused", "total_timeout", "tls_failed",
                                           "url_refused", "bad_parameter", "bad_parameter")):
            self.assert_error(line, code)
            self.assertLessEqual({"type", "title", "status", "code"}, set(line["error"]))

    def test_bodies_that_break_off_are_errors(self):
        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")

        self.assert_error(self.one(url=self.backend(on_connection=play).url), "upstream_truncated")

    def test_timeout_is_of_the_whole_item(self):
        def drip(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while not connection.closed.wait(0.02):
                connection.send(b"x")

        backend = self.backend(on_connection=drip)
        self.assert_error(self.one(url=backend.url, timeout=0.2), "total_timeout")

    def test_fetch_total_caps_timeouts(self):
        mute = self.backend(on_connection=lambda c: c.wait_for_close())
        with harness.Millrace(LOOPBACK + 'timeout.total = "100ms"\n') as server:
            body = json.dumps({"requests": [{"url": mute.url, "timeout": "30m"}, {"url": mute.url}]})
            response = harness.post(server.url + "/v1/fetch/batch", body.encode(), JSON)
        for line in self.lines(response)[0]:
            self.assert_error(line, "total_timeout")

    def test_what_is_no_batch(self):
        for body, headers, status, code in (
                (b"{}", JSON, 400, "bad_parameter"), (b"", JSON, 400, "bad_parameter"),
                (b'{"requests":[{"url":1}]}', JSON, 400, "bad_parameter"),
                (b"x" * 40_000, JSON, 400, "bad_parameter"),
                (b'{"requests":[]}', [], 415, "unsupported_media"),
                (b'{"requests":[]}', [("Content-Type", "text/plain")], 415, "unsupported_media")):
            with self.subTest(body[:20], headers=headers):
                response = self.post(body, headers)
                self.assertEqual((response.status, response.json()["code"]), (status, code))
        self.assertEqual(harness.request(self.door, "POST", JSON + [("Content-Length", "0")]).status,
                         400)

    def test_nothing_is_fetched_for_a_batch_with_a_fault(self):
        backend = self.backend()
        response = self.post({"requests": [{"url": backend.url}, {"url": backend.url, "parallel": 1}]})
        self.assertEqual(response.status, 400)
        self.assertIn('requests[1]: unknown member "parallel"', response.json()["detail"])
        self.assertEqual(backend.connections, [])

    def test_other_methods(self):
        for method in ("GET", "PUT", "DELETE"):
            response = harness.request(self.door, method)
            self.assertEqual((response.status, response.header("allow")), (405, "POST, OPTIONS"))
        self.assertEqual(harness.request(self.door, "OPTIONS").status, 204)
        self.assertEqual(harness.post(self.door + "/x", b"", JSON).status, 404)


class Guard(BatchTest):
    CONFIG = ""

    def test_refusals_inside_a_batch(self):
        listener = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        port = listener.getsockname()[1]
        urls = [f"http://{host}:{port}/" for host in (
            "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1",
            "0x7f.1", "2130706433", "user@127.0.0.1", "0.0.0.0")]
        for line in self.batch([{"url": url} for url in urls]):
            self.assert_error(line, "url_refused")
            self.assertNotIn("127.0.0.1", json.dumps(line))
        with self.assertRaises(BlockingIOError):
            listener.accept()

    def test_refusals_do_not_tell_whether_anybody_listens(self):
        listener = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        closed = self.enterContext(socket.socket())
        closed.bind(("127.0.0.1", 0))
        told = self.batch([{"url": "http://127.0.0.1:%d/" % s.getsockname()[1]}
                           for s in (listener, closed)])
        self.assertEqual(told[0]["error"], told[1]["error"])


class Limits(BatchTest):
    CONFIG = LOOPBACK + 'batch = { body_max = "2KiB", item_max = "1KiB", items_max = 3 }\n'

    def test_items(self):
        url = self.backend().url
        three, four = [{"url": url}] * 3, [{"url": url}] * 4
        self.assertEqual([line["status"] for line in self.batch(three)], [200] * 3)
        response = self.post({"requests": four})
        self.assertEqual((response.status, response.json()["code"]), (413, "body_too_large"))
        self.assertIn("fetch.batch.items_max", response.json()["detail"])
        self.assertEqual(len(self.lines(self.post(as_lines(three), NDJSON))[0]), 3)
        lines, summary = self.lines(self.post(as_lines(four + three), NDJSON))
        self.assertEqual((summary["count"], summary["succeeded"]), (4, 3))
        over = next(line for line in lines if line["index"] == 3)
        self.assert_error(over, "body_too_large")
        self.assertIn("fetch.batch.items_max", over["error"]["detail"])

    def test_size_of_a_batch(self):
        url = self.backend().url
        batch = json.dumps({"requests": [{"url": url}]}).encode()
        fits = batch.ljust(2048)
        self.assertEqual(len(self.lines(self.post(fits))[0]), 1)
        response = self.post(fits + b" ")
        self.assertEqual((response.status, response.json()["code"]), (413, "body_too_large"))
        self.assertIn("fetch.batch.body_max", response.json()["detail"])

    def test_size_of_a_line(self):
        line = b'{"url":"%b"}' % self.backend().url.encode()
        lines, _ = self.lines(self.post(line.ljust(2048) + b"\n" + line.ljust(2049) + b"\n" + line,
                                        NDJSON))
        lines.sort(key=lambda told: told["index"])
        self.assertEqual([told.get("status") for told in lines], [200, None, 200])
        self.assert_error(lines[1], "body_too_large")
        self.assertIn("fetch.batch.body_max", lines[1]["error"]["detail"])

    def test_size_of_an_answer(self):
        def play(request):
            body = b"x" * (1025 if "over" in request.target else 1024)
            if "length" in request.target:
                return answer(body)
            if "gzip" in request.target:
                return answer(gzip.compress(body), "Content-Encoding: gzip")
            return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
                    % (len(body), body))

        url = self.backend(play).url
        for framing in ("length", "chunked", "gzip"):
            with self.subTest(framing):
                fits, over = self.batch([{"url": f"{url}/{framing}"},
                                         {"url": f"{url}/{framing}/over"}])
                self.assertEqual(len(fits["body"]), 1024)
                self.assert_error(over, "upstream_too_large")

    def test_size_of_what_is_selected(self):
        values = {"fits": "x" * 1022, "over": "x" * 1023, "rest": "x" * 100_000}
        url = self.backend(answer(json.dumps(values).encode())).url
        fits, over = self.batch([{"url": url, "select": "/fits"}, {"url": url, "select": "/over"}])
        self.assertEqual(fits["selected"], values["fits"])
        self.assert_error(over, "upstream_too_large")


class Clients(BatchTest):
    CONFIG = LOOPBACK + 'batch = { held_max = "2MiB" }\n'

    def test_a_client_that_leaves_ends_every_fetch(self):
        lock, asked, ended = threading.Lock(), [], []

        def play(connection):
            connection.read_request()
            with lock:
                asked.append(connection)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            connection.wait_for_close()
            with lock:
                ended.append(connection)

        backend = self.backend(on_connection=play)
        body = json.dumps({"requests": [{"url": backend.url}] * 50, "parallel": 20})
        client = self.server.client()
        client.send("POST /v1/fetch/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}")
        harness.wait_until(lambda: len(asked) == 20, what="twenty requests")
        self.assertEqual(ended, [])
        client.close()
        harness.wait_until(lambda: len(ended) == 20, what="their ends")
        self.assertEqual(len(backend.connections), 20)

    def test_a_client_that_does_not_read_stops_the_fetching(self):
        size, count = 256 << 10, 160  # 40 MiB
        whole = answer(b"~" * size)
        backend = self.backend(whole)
        before = self.server.rss_bytes()
        body = json.dumps({"requests": [{"url": backend.url}] * count, "parallel": 8})
        with self.server.client() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            client.send("POST /v1/fetch/batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json"
                        f"\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            client.receive_until(b'"status":200')
            harness.wait_until(
                lambda: harness.unsent_bytes(self.server.port, client.socket) > 0
                and self.is_quiet(backend), what="the fetching to stop")
            self.assertLess(len(backend.requests), count // 2)
            if not harness.SANITIZED:
                self.assertLess(self.server.rss_bytes() - before, 12 << 20)
            # And it goes on when the client does.
            received = 0
            for _ in range(count):
                line = client.receive_until(b'"attempts":')
                received += line.count(b"~")
            self.assertEqual(received, size * count)
            client.receive_until(b'"summary"')
        self.assertEqual(len(backend.requests), count)

    def is_quiet(self, backend):
        """Nothing was asked for in a while, as often as it was looked at."""
        seen = len(backend.requests)
        self.quiet = getattr(self, "quiet", 0) + 1 if seen == getattr(self, "seen", None) else 0
        self.seen = seen
        return self.quiet > 30

    def test_large_answers_in_little_memory_get_done(self):
        # Eight of these into 2 MiB: one at a time may go over, the others wait for it.
        backend = self.backend(answer(b"z" * 600_000))
        lines = self.batch([{"url": backend.url}] * 8, parallel=8)
        self.assertEqual([len(line["body"]) for line in lines], [600_000] * 8)

    def test_over_http2(self):
        backend = self.backend()
        told = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "--json", json.dumps(
            {"requests": [{"url": backend.url}] * 5}), self.door], capture_output=True, text=True,
            timeout=harness.DEADLINE_S, check=True).stdout
        self.assertEqual(len(re.findall(r'"body":"hello"', told)), 5)
        self.assertIn('"summary":{"count":5,"succeeded":5,', told)


if __name__ == "__main__":
    unittest.main()
