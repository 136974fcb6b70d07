"""Django behind Millrace: a project on Debian's gunicorn (WSGI) and on its uvicorn (ASGI), both
started and supervised as people are told to, on unix sockets.

What a project is strict about is what a proxy can spoil: hosts, the scheme, CSRF, redirects.
"""

import collections
import hashlib
import json
import os
import pathlib
import ssl
import tempfile
import threading
import unittest

import h2client
import harness
import pki
from test_python_services import LINE, chunked
from test_tls import Tls

PROJECT = (pathlib.Path(__file__).parent / "apps" / "django_app.py").read_text()
SHOP = "www.shop.example"
UPLOAD = bytes(range(256)) * 1200  # 300 KB, and no piece of it looks like a boundary
DOWNLOAD = bytes(range(255)) * 20_000  # 5 MB
BOUNDARY = "between-the-parts"
FORM = ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")


def multipart(content):
    """A form with one field and one file."""
    return (f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\ngrüße ✓\r\n"
            f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"a b.bin\""
            "\r\nContent-Type: application/octet-stream\r\n\r\n").encode() + content + (
                f"\r\n--{BOUNDARY}--\r\n".encode())


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Project:
    """What holds for both servers; the subclasses say which one it is."""

    interface = None  # "wsgi" or "asgi"
    command = ()

    @classmethod
    def setUpClass(cls):
        home = pathlib.Path(cls.enterClassContext(
            tempfile.TemporaryDirectory(prefix="millrace-test-")))
        (home / "app.py").write_text(f"{PROJECT}\napp = {cls.interface}\n")
        (home / "download").write_bytes(DOWNLOAD)
        authority = cls.enterClassContext(pki.Authority())
        cls.trust = ssl.create_default_context(cafile=authority.certificate)
        cls.server = cls.enterClassContext(harness.Millrace(f'''
            [server]
            listen = ["127.0.0.1:0"]
            [[server.tls]]
            listen = ["127.0.0.1:0"]
            certificates = [{authority.issue(names=SHOP).entry()}]
            [process.project]
            command = {json.dumps(cls.command)}
            directory = "{home}"
            [upstream.project]
            process = "project"
            [[route]]
            match = {{ path = "/buffered/*" }}
            upstream = "project"
            buffer_request = "spill"
            [[route]]
            match = {{ path = "/*" }}
            upstream = "project"
        '''))
        # In order: whoever is killed cannot remove the folder of its sockets.
        cls.addClassCleanup(cls.server.terminate)
        harness.wait_until(lambda: cls.server.events("process_ready"), what="Django to be ready")

    def get(self, path, headers=()):
        return harness.get(self.server.url + path, headers)

    def ask(self, client, path, *lines, method="GET", host=SHOP, body=""):
        if method == "POST":
            lines += (f"Content-Length: {len(body)}",)
        return client.request("\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *lines,
                                           "", body]))

    def connect_tls(self):
        return self.enterContext(Tls(int(self.server.listen[1].rsplit(":", 1)[1]), self.trust, SHOP))

    def connect_h2(self):
        return self.enterContext(h2client.Connection(self.server))

    # -- hosts and schemes ------------------------------------------------------------------------

    def test_the_host_is_the_client_s(self):
        with self.server.client() as client:
            for host in (SHOP, "shop.example", "localhost:1", self.server.address):
                seen = self.ask(client, "/describe/?a=b", host=host).json()
                self.assertEqual((seen["host"], seen["here"]),
                                 (host, f"http://{host}/describe/?a=b"))
        seen = self.connect_h2().get("/describe/", authority=SHOP)
        self.assertEqual(json.loads(seen.body)["host"], SHOP)

    def test_a_host_that_is_not_allowed_is_refused_by_django(self):
        for claims in ((), [("X-Forwarded-Host", SHOP)]):
            with self.server.client() as client:
                response = self.ask(client, "/describe/", *(": ".join(c) for c in claims),
                                    host="evil.example")
                self.assertEqual(response.status, 400)
                self.assertTrue(response.header("content-type").startswith("text/html"))
                # And the connection goes on.
                self.assertEqual(self.ask(client, "/describe/").status, 200)

    def test_django_knows_what_is_secure(self):
        claims = ("X-Forwarded-Proto: https", "X-Forwarded-Ssl: on", "Forwarded: proto=https")
        with self.server.client() as client:
            seen = self.ask(client, "/describe/", *claims).json()
        self.assertEqual((seen["secure"], seen["here"]), (False, f"http://{SHOP}/describe/"))
        seen = self.ask(self.connect_tls(), "/describe/", "X-Forwarded-Proto: http").json()
        self.assertEqual((seen["secure"], seen["here"]), (True, f"https://{SHOP}/describe/"))
        self.assertEqual(seen["forwarded_for"], "127.0.0.1")

    # -- CSRF and cookies -------------------------------------------------------------------------

    def post_form(self, client, *lines, text="text=hello"):
        return self.ask(client, "/form/", "Content-Type: application/x-www-form-urlencoded", *lines,
                        method="POST", body=text)

    def assert_csrf(self, client, *good, bad):
        given = self.ask(client, "/form/")
        cookie = "Cookie: " + given.header("set-cookie").split(";")[0]
        token = "X-CSRFToken: " + given.json()["token"]
        response = self.post_form(client, cookie, token, *good)
        self.assertEqual((response.status, response.json()["text"]), (200, "hello"))
        for lines in ([cookie, *good], [token, *good], *([cookie, token, *b] for b in bad)):
            response = self.post_form(client, *lines)
            self.assertEqual(response.status, 403, lines)
            self.assertTrue(response.header("content-type").startswith("text/html"))

    def test_csrf_in_cleartext(self):
        with self.server.client() as client:
            self.assert_csrf(client, bad=[])

    def test_csrf_compares_the_referer_with_host_and_scheme(self):
        self.assert_csrf(self.connect_tls(), f"Referer: https://{SHOP}/form/",
                         bad=[[], [f"Referer: http://{SHOP}/form/"],
                              ["Referer: https://evil.example/form/"]])

    def test_sessions_go_around_in_a_cookie(self):
        with self.server.client() as client:
            response = self.ask(client, "/visits/")
            for count in (2, 3):
                cookie = response.header("set-cookie")
                self.assertIn("HttpOnly", cookie)
                response = self.ask(client, "/visits/", "Cookie: " + cookie.split(";")[0])
                self.assertEqual(response.json(), {"visits": count})

    # -- answers ----------------------------------------------------------------------------------

    def test_redirects_are_passed_on(self):
        with self.server.client() as client:
            response = self.ask(client, "/describe?a=1&b=%2F")
        self.assertEqual((response.status, response.header("location")),
                         (301, "/describe/?a=1&b=%2F"))
        self.assertEqual(self.get("/describe/?a=1&b=%2F").json()["query"], {"a": "1", "b": "/"})

    def test_django_s_errors_are_passed_on(self):
        for path, status, text in (("/nothing/", 404, b"Not Found"),
                                   ("/failure/", 500, b"Server Error (500)"),
                                   ("/upload/", 405, b"")):
            with self.subTest(path):
                response = self.get(path)
                self.assertEqual(response.status, status)
                self.assertTrue(response.header("content-type").startswith("text/html"))
                self.assertIn(text, response.body)
                self.assertEqual(response.header("x-content-type-options"), "nosniff")
        self.assertEqual(self.get("/upload/").header("allow"), "POST")

    def test_not_modified(self):
        with self.server.client() as client:
            for _ in range(2):
                tag = self.ask(client, "/describe/").header("etag")
                response = self.ask(client, "/describe/", f"If-None-Match: {tag}")
                self.assertEqual((response.status, response.header("etag")), (304, tag))

    def test_downloads(self):
        lines = 80_000  # 5 MB
        for path, length, whole in (("/file/", str(len(DOWNLOAD)), DOWNLOAD),
                                    (f"/generated/?lines={lines}", None, LINE * lines)):
            with self.subTest(path):
                response = self.get(path)
                self.assertEqual((response.status, response.header("content-length")),
                                 (200, length))
                self.assertEqual(digest(response.body), digest(whole))
                answer = self.connect_h2().get(path)
                self.assertEqual((answer.status, digest(answer.body)), (200, digest(whole)))

    # -- streams ----------------------------------------------------------------------------------

    def pipe(self):
        """(path, descriptor) of a pipe; a byte into it makes a view's second piece."""
        path = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory(prefix="millrace-test-"))) / "pipe"
        os.mkfifo(path)
        # For both: opening a pipe for one of them waits for the other.
        descriptor = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, descriptor)
        return path, descriptor

    def test_a_piece_arrives_before_the_next_one_is_made(self):
        path, descriptor = self.pipe()
        with self.server.client() as client:
            client.send(f"GET /events/?pipe={path} HTTP/1.1\r\nHost: {SHOP}\r\n\r\n")
            head = harness.Response(client.receive_until(b"\r\n\r\n"))
            self.assertEqual((head.status, head.header("content-type")), (200, "text/event-stream"))
            client.receive_until(b"data: first\n\n")
            os.write(descriptor, b"!")
            client.receive_until(b"data: second\n\n")
            client.receive_until(b"0\r\n\r\n")
            self.assertEqual(self.ask(client, "/describe/").status, 200)

    def test_a_piece_arrives_over_http_2(self):
        path, descriptor = self.pipe()
        client = self.connect_h2()
        stream = client.streams[client.request(path=f"/events/?pipe={path}")]
        client.until(lambda: stream.body == b"data: first\n\n", "the first piece")
        os.write(descriptor, b"!")
        client.until(lambda: stream.over, "the end")
        self.assertEqual(stream.body, b"data: first\n\ndata: second\n\n")
        self.assertTrue(stream.ended)

    # -- uploads ----------------------------------------------------------------------------------

    def assert_uploaded(self, seen):
        self.assertEqual(seen, {"fields": {"note": "grüße ✓"},
                                "files": {"picture": {"name": "a b.bin", "bytes": len(UPLOAD),
                                                      "sha256": digest(UPLOAD)}}})

    def test_a_form_with_a_file(self):
        for path in ("/upload/", "/buffered/upload/"):
            with self.subTest(path):
                response = harness.post(self.server.url + path, multipart(UPLOAD), [FORM])
                self.assertEqual(response.status, 200)
                self.assert_uploaded(response.json())

    def test_a_chunked_form(self):
        # Django takes nothing from gunicorn without a length: it has one once it is buffered.
        with self.server.client() as client:
            client.send(f"POST /buffered/upload/ HTTP/1.1\r\nHost: {SHOP}\r\n"
                        f"{': '.join(FORM)}\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(chunked(multipart(UPLOAD)))
            self.assert_uploaded(client.receive_response("POST").json())

    def test_forms_over_http_2(self):
        client, body = self.connect_h2(), multipart(UPLOAD)
        with_length = [FORM, ("content-length", str(len(body)))]
        for path, fields in (("/upload/", with_length), ("/buffered/upload/", [FORM])):
            with self.subTest(path):
                answer = client.post(path, body, [(k.lower(), v) for k, v in fields])
                self.assertEqual(answer.status, 200)
                self.assert_uploaded(json.loads(answer.body))

    # -- many -------------------------------------------------------------------------------------

    def test_head_is_a_get_without_its_body(self):
        with self.server.client() as client:
            for path in ("/describe/", "/file/"):
                whole = self.ask(client, path, host=self.server.address)
                for _ in range(2):  # the second one finds nothing left over from the first
                    head = self.ask(client, path, method="HEAD", host=self.server.address)
                    self.assertEqual(head.status, 200)
                    self.assertEqual(head.header("content-type"), whole.header("content-type"))
                self.assertEqual(head.header("content-length"), str(len(whole.body) + (
                    1 if path == "/describe/" else 0)))  # "HEAD" is longer than "GET"

    def test_one_connection_takes_all_kinds_of_requests(self):
        body = multipart(UPLOAD[:1000])
        with self.server.client() as client:
            for i in range(5):
                seen = self.ask(client, f"/describe/?{i}=x").json()
                self.assertEqual(seen["query"], {str(i): "x"})
                self.assertEqual(self.ask(client, "/failure/").status, 500)
                self.assertEqual(self.ask(client, "/file/", method="HEAD").status, 200)
                client.send(f"POST /upload/ HTTP/1.1\r\nHost: {SHOP}\r\n{': '.join(FORM)}\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n")
                client.send(body)
                seen = client.receive_response("POST").json()
                self.assertEqual(seen["files"]["picture"]["bytes"], 1000)
                self.assertEqual(len(self.ask(client, "/generated/?lines=9").body), 9 * len(LINE))

    def test_many_streams_at_once(self):
        client = self.connect_h2()
        ids = {client.request(path=f"/describe/?n={n}"): str(n) for n in range(40)}
        for stream_id, number in ids.items():
            answer = client.answer(stream_id)
            self.assertEqual((answer.status, json.loads(answer.body)["query"]),
                             (200, {"n": number}))

    def test_many_clients_at_once(self):
        results = collections.Counter()

        def ask(number):
            with self.server.client() as client:
                for i in range(5):
                    name = f"{number}-{i}"
                    seen = self.ask(client, f"/describe/?n={name}").json()["query"]
                    results[seen == {"n": name}] += 1

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(harness.DEADLINE_S)
        self.assertEqual(results, {True: 40})


class OnGunicorn(Project, unittest.TestCase):
    interface = "wsgi"
    command = ("/usr/bin/gunicorn", "app:app", "--bind", "unix:{socket}", "--worker-class",
               "gthread", "--threads", "8", "--log-level", "warning")


class OnUvicorn(Project, unittest.TestCase):
    interface = "asgi"
    # asyncio's loop: Django 3.2 makes the pieces of a stream on it, and uvloop would send none before
    # the last one is made.
    command = ("/usr/bin/uvicorn", "app:app", "--uds", "{socket}", "--log-level", "warning",
               "--loop", "asyncio")


if __name__ == "__main__":
    unittest.main()
