"""Real Python services behind Millrace: FastAPI on uvicorn and Flask on gunicorn, both Debian's.

Whatever an application or its client would see without a proxy in between, they see with it.
"""

import collections
import hashlib
import json
import pathlib
import threading
import time
import unittest

import harness
import peers

APPS = pathlib.Path(__file__).parent / "apps"
LINE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n"
UPLOAD = bytes(range(256)) * 4 * 3072  # 3 MiB, and no piece of it looks like framing
JSON = ("Content-Type", "application/json")


def fastapi(**options):
    return peers.uvicorn((APPS / "fastapi_app.py").read_text(), **options)


def flask(arguments=("--worker-class", "gthread", "--threads", "8"), **options):
    return peers.gunicorn((APPS / "flask_app.py").read_text(), arguments=arguments, **options)


def proxy_to(*targets):
    """Millrace with no file in front of these."""
    return harness.Millrace(command=["proxy", "--to", ",".join(targets),
                                     "--listen", "127.0.0.1:0"])


def upstream_config(targets, **keys):
    """A configuration with one upstream for everything; keys are TOML text."""
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(["[upstream.service]", f"targets = {json.dumps(targets)}", *lines,
                      "[[route]]", 'match = { path = "/*" }', 'upstream = "service"', ""])


def chunked(body, size=50_000):
    """The body in chunks, its end included."""
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def header(described, name):
    """The one value of a field that the application saw; None without it."""
    values = [value for key, value in described["headers"] if key == name]
    assert len(values) <= 1, f"{name} is there {len(values)} times"
    return values[0] if values else None


class Promises:
    """What holds for every service; the subclasses say which one it is."""

    @classmethod
    def start(cls):
        """The service: a PythonServer."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.service = cls.enterClassContext(cls.start())
        cls.server = cls.enterClassContext(proxy_to(cls.service.target))

    def get(self, path, headers=()):
        return harness.get(self.server.url + path, headers)

    def test_json_goes_in_and_comes_out(self):
        body = json.dumps({"numbers": [1, 2, 39], "note": "grüße ✓"}).encode()
        response = harness.post(self.server.url + "/json", body, [JSON])
        self.assertEqual(response.status, 201)
        self.assertEqual(response.header("content-type"), "application/json")
        self.assertEqual(response.json(), {"sum": 42, "note": "grüße ✓"})

    def test_target_arrives_as_it_was_sent(self):
        for target in ("/describe", "/describe?", "/describe?a=1&a=2&b=", "/describe?q=a+b%20c%26d",
                       "/describe/a%2Fb/%E2%9C%93", "/describe/x//y/?path=/../etc",
                       "/describe/a:b@c;d=e,f!$&'()*", "/describe?url=http://a/b?c=d&e[]=%25",
                       "/describe?" + "x" * 4000):
            with self.subTest(target):
                # An empty query is the one thing that ASGI and WSGI cannot tell from none.
                seen = self.get(target).json()["target"]
                self.assertEqual(seen.rstrip("?"), target.rstrip("?"))

    def test_application_learns_who_asked(self):
        response = self.get("/describe", [("X-Request-Id", "the-client-s-own.1")])
        seen = response.json()
        self.assertEqual(header(seen, "x-forwarded-for"), "127.0.0.1")
        self.assertEqual(header(seen, "x-forwarded-proto"), "http")
        self.assertEqual(header(seen, "x-forwarded-host"), self.server.address)
        self.assertEqual(header(seen, "forwarded"),
                         f'for=127.0.0.1;host="{self.server.address}";proto=http')
        self.assertEqual(header(seen, "via"), "1.1 millrace")
        self.assertEqual(header(seen, "host"), self.server.address)
        self.assertEqual(header(seen, "x-request-id"), "the-client-s-own.1")
        self.assertEqual(response.header("x-request-id"), "the-client-s-own.1")

    def test_request_id_is_made_and_told_to_both_sides(self):
        first, second = self.get("/describe"), self.get("/describe")
        for response in (first, second):
            self.assertRegex(response.header("x-request-id"), r"^[A-Za-z0-9._-]{8,128}$")
            self.assertEqual(header(response.json(), "x-request-id"),
                             response.header("x-request-id"))
        self.assertNotEqual(first.header("x-request-id"), second.header("x-request-id"))

    def test_nobody_can_pretend_to_be_somebody_else(self):
        claims = [("X-Forwarded-For", "8.8.8.8"), ("X-Forwarded-Proto", "https"),
                  ("X-Forwarded-Host", "evil.example"), ("Forwarded", "for=8.8.8.8;proto=https"),
                  ("X-Real-IP", "8.8.8.8"), ("X-Forwarded-Port", "443")]
        seen = self.get("/describe", claims).json()
        self.assertEqual(header(seen, "x-forwarded-for"), "127.0.0.1")
        self.assertEqual(seen["scheme"], "http")
        self.assertNotIn("8.8.8.8", json.dumps(seen))
        self.assertNotIn("evil.example", json.dumps(seen))
        self.assertNotIn("443", [value for _, value in seen["headers"]])

    def test_hop_by_hop_fields_stay_on_their_hop(self):
        seen = self.get("/describe", [("Connection", "X-Mine"), ("X-Mine", "private"),
                                      ("Keep-Alive", "timeout=99"), ("TE", "gzip"),
                                      ("Proxy-Authorization", "Basic c2VjcmV0"),
                                      ("Authorization", "Bearer token"), ("Cookie", "a=b")]).json()
        for name in ("x-mine", "keep-alive", "te", "proxy-authorization", "upgrade"):
            self.assertIsNone(header(seen, name), name)
        self.assertEqual(header(seen, "authorization"), "Bearer token")
        self.assertEqual(header(seen, "cookie"), "a=b")

    def test_upload_with_content_length(self):
        for method in ("POST", "PUT"):
            with self.subTest(method):
                response = harness.request(self.server.url + "/upload", method, body=UPLOAD)
                seen = response.json()
                self.assertEqual(seen["sha256"], hashlib.sha256(UPLOAD).hexdigest())
                self.assertEqual(seen["bytes"], len(UPLOAD))
                self.assertEqual(seen["content_length"], str(len(UPLOAD)))
                self.assertIsNone(seen["transfer_encoding"])

    def test_chunked_upload(self):
        response = self.post_chunked("/upload", UPLOAD)
        seen = response.json()
        self.assertEqual(seen["sha256"], hashlib.sha256(UPLOAD).hexdigest())
        self.assertEqual(seen["bytes"], len(UPLOAD))

    def post_chunked(self, path, body):
        with self.server.client() as client:
            client.send(f"POST {path} HTTP/1.1\r\nHost: {self.server.address}\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n")
            client.send(chunked(body))
            return client.receive_response("POST")

    def test_empty_bodies(self):
        nothing = hashlib.sha256().hexdigest()
        self.assertEqual(harness.post(self.server.url + "/upload").json()["sha256"], nothing)
        self.assertEqual(self.post_chunked("/upload", b"").json()["sha256"], nothing)

    def test_expect_100_continue_uploads(self):
        with self.server.client() as client:
            client.send(f"POST /upload HTTP/1.1\r\nHost: {self.server.address}\r\n"
                        "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            self.assertTrue(client.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 "))
            client.send(b"hello")
            seen = client.receive_response("POST").json()
        self.assertEqual(seen["sha256"], hashlib.sha256(b"hello").hexdigest())

    def test_downloads(self):
        lines = 50_000  # 3 MB
        whole = hashlib.sha256(LINE * lines).hexdigest()
        for path in ("/file", "/generated"):
            with self.subTest(path):
                response = self.get(f"{path}?lines={lines}")
                self.assertEqual(response.status, 200)
                self.assertEqual(hashlib.sha256(response.body).hexdigest(), whole)

    def test_length_that_is_known_stays_known(self):
        response = self.get("/file?lines=3")
        self.assertEqual(response.header("content-length"), str(3 * len(LINE)))
        self.assertIsNone(response.header("transfer-encoding"))
        self.assertEqual(response.header("etag"), '"of the file"')
        self.assertEqual(self.get("/generated?lines=3").header("transfer-encoding"), "chunked")

    def test_head_is_a_get_without_its_body(self):
        with self.server.client() as client:
            request = f"HEAD /file?lines=3 HTTP/1.1\r\nHost: {self.server.address}\r\n\r\n"
            for _ in range(2):  # the second one finds nothing left over from the first
                response = client.request(request)
                self.assertEqual(response.status, 200)
                self.assertEqual(response.header("content-length"), str(3 * len(LINE)))
                self.assertEqual(response.header("etag"), '"of the file"')

    def test_no_content_has_no_body(self):
        response = self.get("/empty")
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertIsNone(response.header("transfer-encoding"))

    def test_redirects_are_the_client_s_business(self):
        response = self.get("/moved")
        self.assertEqual(response.status, 307)
        self.assertTrue(response.header("location").endswith("/describe?from=moved"))

    def test_every_cookie_arrives(self):
        cookies = self.get("/login").all("set-cookie")
        self.assertEqual(len(cookies), 2, cookies)
        self.assertTrue(any(c.startswith("session=") and "HttpOnly" in c for c in cookies), cookies)
        self.assertTrue(any(c.startswith("theme=dark") and "3600" in c for c in cookies), cookies)

    def test_the_service_s_own_errors_are_passed_on(self):
        response = self.get("/failure")
        self.assertEqual(response.status, 503)
        self.assertEqual(response.header("content-type"), "application/json")
        self.assertEqual(response.header("retry-after"), "7")
        self.assertEqual(response.json(), {"detail": "this service says so itself"})
        self.assertEqual(self.get("/no-such-thing").status, 404)

    def test_an_event_arrives_before_the_next_one_is_made(self):
        # No clock: the service makes its second event only after we, having seen the first one,
        # asked for it. A proxy that waits for more before it passes on hangs here.
        name = "events-of-" + self.id()
        with self.server.client() as client:
            client.send(f"GET /events?name={name} HTTP/1.1\r\nHost: {self.server.address}\r\n"
                        "Accept: text/event-stream\r\n\r\n")
            head = harness.Response(client.receive_until(b"\r\n\r\n"))
            self.assertTrue(head.header("content-type").startswith("text/event-stream"))
            self.assertIn(b"event: first\ndata: 1\n\n", client.receive_until(b"data: 1\n\n"))
            self.assertEqual(harness.post(f"{self.server.url}/release?name={name}").status, 204)
            self.assertIn(b"event: second\ndata: 2\n\n", client.receive_until(b"data: 2\n\n"))
            self.assertTrue(client.receive_until(b"0\r\n\r\n"))

    def test_an_early_answer_arrives_while_the_body_is_still_coming(self):
        with self.server.client() as client:
            client.send(f"POST /refuse HTTP/1.1\r\nHost: {self.server.address}\r\n"
                        "Content-Length: 8000000\r\n\r\n")
            client.send(b"x" * 100_000)
            response = client.receive_response("POST")
            self.assertEqual((response.status, response.json()), (403, {"refused": True}))

    def test_one_connection_takes_one_request_after_the_other(self):
        with self.server.client() as client:
            for i in range(20):
                response = client.request(f"GET /describe?{i} HTTP/1.1\r\n"
                                          f"Host: {self.server.address}\r\n\r\n")
                self.assertEqual(response.json()["target"], f"/describe?{i}")

    def test_many_clients_at_once(self):
        results = collections.Counter()

        def ask(number):
            for i in range(5):
                seen = self.get(f"/describe?{number}-{i}").json()["target"]
                results[seen == f"/describe?{number}-{i}"] += 1

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(harness.DEADLINE_S)
        self.assertEqual(results, {True: 50})


class FastApiOnUvicorn(Promises, unittest.TestCase):
    @classmethod
    def start(cls):
        return fastapi()


class FastApiOnUvicornUnixSocket(Promises, unittest.TestCase):
    @classmethod
    def start(cls):
        return fastapi(unix=True)


class FlaskOnGunicorn(Promises, unittest.TestCase):
    @classmethod
    def start(cls):
        return flask()


class FlaskOnGunicornUnixSocket(Promises, unittest.TestCase):
    @classmethod
    def start(cls):
        return flask(unix=True)


class TwoTargets(unittest.TestCase):
    """Two copies of one service behind a configuration."""

    @classmethod
    def setUpClass(cls):
        cls.services = [cls.enterClassContext(fastapi()) for _ in range(2)]
        cls.server = cls.enterClassContext(harness.Millrace(
            upstream_config([s.target for s in cls.services], balance='"round_robin"')
            + "[server]\nthreads = 1\nlisten = [\"127.0.0.1:0\"]\n"))

    def test_both_take_their_turns(self):
        answers = collections.Counter(
            harness.get(self.server.url + "/describe").json()["pid"] for _ in range(20))
        self.assertEqual(answers, {service.pid: 10 for service in self.services})

    def test_proxy_command_takes_several_too(self):
        with proxy_to(*(s.target for s in self.services)) as server:
            answers = {harness.get(server.url + "/describe").json()["pid"] for _ in range(20)}
        self.assertEqual(answers, {service.pid for service in self.services})


class OneOfTwoGoesDown(unittest.TestCase):
    def test_the_other_one_takes_everything(self):
        with fastapi() as stays, fastapi() as goes:
            with harness.Millrace(upstream_config([stays.target, goes.target])) as server:
                goes.kill()
                for i in range(20):
                    response = harness.post(server.url + f"/json?{i}",
                                            b'{"numbers": [], "note": ""}', [JSON])
                    self.assertEqual(response.status, 201, response.body)
                stays.kill()
                response = harness.get(server.url + "/describe")
                self.assertEqual(response.status, 502)
                self.assertEqual(response.header("content-type"), "application/problem+json")
                self.assertEqual(response.json()["code"], "connect_refused")


class KeepAliveRaces(unittest.TestCase):
    """gunicorn closes idle connections and does not say when: a POST must never find that out."""

    PAUSES_S = [0.80 + 0.02 * i for i in range(20)]  # around the second that gunicorn is given

    def test_posts_around_the_time_of_gunicorn_s_close(self):
        statuses = collections.Counter()
        arguments = ("--worker-class", "gthread", "--threads", "16", "--keep-alive", "1")
        with flask(arguments) as service, proxy_to(service.target) as server:
            def post_twice(pause_s):
                with server.client() as client:
                    for _ in range(2):
                        response = client.request(
                            f"POST /json HTTP/1.1\r\nHost: {server.address}\r\n"
                            "Content-Type: application/json\r\nContent-Length: 27\r\n\r\n"
                            '{"numbers": [1],"note": ""}')
                        statuses[response.status] += 1
                        time.sleep(pause_s)  # what is tested: how long a connection was idle

            threads = [threading.Thread(target=post_twice, args=(p,)) for p in self.PAUSES_S]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(harness.DEADLINE_S)
        self.assertEqual(statuses, {201: 2 * len(self.PAUSES_S)})


if __name__ == "__main__":
    unittest.main()
