"""The HTTP/1.1 server as users meet it: curl, browsers, pipelining clients, slow readers, TLS."""

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import harness

CURL = shutil.which("curl")
LARGE_BYTES = 1 << 20
GET_HELLO = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

CONFIG = f'''
    [[route]]
    match = {{ path = "/hello" }}
    respond = {{ status = 200, body = "hello", headers = {{ X-Test = "yes" }} }}
    [[route]]
    match = {{ path = "/get", method = ["GET"] }}
    respond = {{ body = "got" }}
    [[route]]
    match = {{ path = "/empty" }}
    respond = {{ status = 204 }}
    [[route]]
    match = {{ path = "/old" }}
    redirect = {{ to = "/hello", status = 308 }}
    [[route]]
    match = {{ path = "/host", host = "*.example.com" }}
    respond = {{ body = "below" }}
    [[route]]
    match = {{ path = "/host" }}
    respond = {{ body = "other" }}
    [[route]]
    match = {{ path = "/large" }}
    respond = {{ body = "{"x" * LARGE_BYTES}" }}
    [[route]]
    match = {{ path = "/tools/*" }}
    endpoint = "tools"
    [log]
    access = "off"
'''


def curl(*arguments, data=None):
    result = subprocess.run([CURL, "-sS", "--max-time", "20", *arguments], input=data,
                            capture_output=True, check=False)
    return result.returncode, result.stdout, result.stderr.decode()


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Millrace(CONFIG)
        cls.addClassCleanup(cls.server.__exit__)
        cls.url = cls.server.url


@unittest.skipUnless(CURL, "curl is not installed")
class Curl(Served):
    def test_get(self):
        code, out, error = curl("-i", self.url + "/hello")
        self.assertEqual(code, 0, error)
        head, _, body = out.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"), head)
        self.assertIn(b"X-Test: yes", head)
        self.assertIn(b"Content-Length: 5", head)
        self.assertRegex(head, rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
        self.assertEqual(body, b"hello")

    def test_head(self):
        code, out, error = curl("-I", self.url + "/hello")
        self.assertEqual(code, 0, error)
        self.assertIn(b"Content-Length: 5\r\n", out)
        self.assertTrue(out.endswith(b"\r\n\r\n"))

    def test_redirect(self):
        code, out, error = curl("-L", "-w", "%{http_code} %{num_redirects}", self.url + "/old")
        self.assertEqual((code, out), (0, b"hello200 1"), error)

    def test_http_1_0(self):
        code, out, error = curl("-0", "-i", self.url + "/hello")
        self.assertEqual(code, 0, error)
        self.assertTrue(out.endswith(b"\r\n\r\nhello"))

    def test_one_connection_for_many_requests(self):
        code, out, error = curl("-w", "%{num_connects}\n", *[self.url + "/empty"] * 5)
        self.assertEqual((code, out.split()), (0, [b"1", b"0", b"0", b"0", b"0"]), error)

    def test_large_answer(self):
        code, out, error = curl(self.url + "/large")
        self.assertEqual((code, len(out)), (0, LARGE_BYTES), error)

    def test_post_with_expect(self):
        body = os.urandom(2 << 20)  # curl expects 100 for large bodies
        code, out, error = curl("-H", "Expect: 100-continue", "--data-binary", "@-",
                                self.url + "/tools/echo", data=body)
        self.assertEqual(code, 0, error)
        self.assertEqual(out, body)

    def test_chunked_upload(self):
        body = os.urandom(1 << 20)
        code, out, error = curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@-",
                                self.url + "/tools/echo", data=body)
        self.assertEqual(code, 0, error)
        self.assertEqual(out, body)

    def test_upload_that_nobody_wants_still_gets_its_answer(self):
        # Answered early and closed: curl must see the answer, not a reset.
        body = bytes(50 << 20)
        for expect in ("Expect:", "Expect: 100-continue"):
            with self.subTest(expect):
                code, out, error = curl("-H", expect, "--data-binary", "@-", "-w", " %{http_code}",
                                        self.url + "/nowhere", data=body)
                self.assertEqual(code, 0, error)
                self.assertTrue(out.endswith(b" 404"), out[-50:])


class Statuses(Served):
    def test_404_is_a_problem(self):
        response = harness.get(self.url + "/nowhere")
        self.assertEqual(response.status, 404)
        self.assertEqual(response.header("content-type"), "application/problem+json")
        problem = response.json()
        self.assertEqual((problem["status"], problem["code"], problem["instance"]),
                         (404, "not_found", "/nowhere"))

    def test_browsers_get_html(self):
        response = harness.get(self.url + "/nowhere", [("Accept", "text/html,*/*;q=0.8")])
        self.assertEqual(response.status, 404)
        self.assertEqual(response.header("content-type"), "text/html; charset=utf-8")

    def test_405_names_the_methods(self):
        for method, status in {"POST": 405, "FROB": 405, "OPTIONS": 204}.items():
            response = harness.request(self.url + "/get", method)
            self.assertEqual(response.status, status, method)
            self.assertEqual(response.header("allow"), "GET, HEAD, OPTIONS")
        self.assertEqual(harness.request(self.url + "/get", "HEAD").status, 200)

    def test_options_of_the_server(self):
        with self.server.client() as client:
            self.assertEqual(client.request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").status, 204)
            self.assertEqual(client.request(GET_HELLO).body, b"hello")

    def test_204_has_no_body(self):
        with self.server.client() as client:
            response = client.request("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual((response.status, response.header("content-length")), (204, None))
            self.assertEqual(client.request(GET_HELLO).body, b"hello")

    def test_hosts_are_routed(self):
        for host, body in {"a.example.com": b"below", "A.EXAMPLE.com:81": b"below",
                           "example.com": b"other", "a": b"other"}.items():
            with self.server.client() as client:
                response = client.request(f"GET /host HTTP/1.1\r\nHost: {host}\r\n\r\n")
                self.assertEqual(response.body, body, host)

    def test_request_ids_are_kept_or_made(self):
        kept = harness.get(self.url + "/hello", [("X-Request-Id", "my-id.1")])
        self.assertEqual(kept.header("x-request-id"), "my-id.1")
        made = harness.get(self.url + "/hello", [("X-Request-Id", "no good id")])
        self.assertRegex(made.header("x-request-id"), r"^[A-Za-z0-9._-]{1,128}$")


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Millrace(CONFIG + '''
            [limits]
            head = "1KiB"
            target = "100B"
            fields = 10
            body = "10B"
        ''')
        cls.addClassCleanup(cls.server.__exit__)

    def status(self, data):
        with self.server.client() as client:
            return client.request(data).status

    def test_target(self):
        # Just under, "/hello" and a query of 100 bytes together, and just over.
        for size, status in {93: 200, 94: 414}.items():
            head = f"GET /hello?{'a' * size} HTTP/1.1\r\nHost: a\r\n\r\n"
            self.assertEqual(self.status(head), status)

    def test_head(self):
        head = "GET /hello HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n"
        room = 1024 - len(head.format(""))
        for size, status in {room: 200, room + 1: 431}.items():
            self.assertEqual(self.status(head.format("x" * size)), status)

    def test_fields(self):
        for count, status in {9: 200, 10: 431}.items():
            head = "GET /hello HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * count + "\r\n"
            self.assertEqual(self.status(head), status)

    def test_body(self):
        url = self.server.url + "/tools/echo"
        self.assertEqual(harness.post(url, b"x" * 10).body, b"x" * 10)
        response = harness.post(url, b"x" * 11)
        self.assertEqual(response.status, 413)
        self.assertIn("limits.body", response.json()["detail"])

    def test_chunked_body(self):
        with self.server.client() as client:
            response = client.request("POST /tools/echo HTTP/1.1\r\nHost: a\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n"
                                      "b\r\n01234567890\r\n0\r\n\r\n")
            self.assertEqual(response.status, 413)

    def test_expect_is_refused_without_the_body(self):
        with self.server.client() as client:
            response = client.request("POST /tools/echo HTTP/1.1\r\nHost: a\r\n"
                                      "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n")
            self.assertEqual((response.status, response.header("connection")), (413, "close"))
            self.assertTrue(client.is_closed())


class Pipelining(Served):
    def test_a_thousand_requests(self):
        with self.server.client() as client:
            client.send(GET_HELLO * 1000)
            for _ in range(1000):
                self.assertEqual(client.receive_response().body, b"hello")

    def test_large_answers_and_a_slow_reader(self):
        # 64 MiB are asked for before anything is read: the server must wait, not hold them.
        with self.server.client() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            before = self.server.rss_bytes()
            client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 64)
            total = 0
            for _ in range(64):
                response = client.receive_response()
                total += len(response.body)
            self.assertEqual(total, 64 * LARGE_BYTES)
            if not harness.SANITIZED:
                self.assertLess(self.server.rss_bytes() - before, 16 << 20)

    def test_a_reader_that_stops_holds_up_nobody_else(self):
        with self.server.client() as stopped:
            stopped.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 64)
            for _ in range(50):
                self.assertEqual(harness.get(self.url + "/hello").status, 200)
            for _ in range(64):
                self.assertEqual(len(stopped.receive_response().body), LARGE_BYTES)

    def test_many_connections_at_once(self):
        failures = []

        def use():
            try:
                with self.server.client() as client:
                    for _ in range(100):
                        response = client.request(GET_HELLO)
                        assert response.body == b"hello", response.head
            except Exception as error:  # reported below, with its cause
                failures.append(error)

        threads = [threading.Thread(target=use) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


class Listeners(unittest.TestCase):
    @unittest.skipUnless(CURL, "curl is not installed")
    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "millrace.sock")
            with harness.Millrace(f'[server]\nlisten = ["unix:{path}"]\n{CONFIG}') as server:
                self.assertEqual(server.listen, [f"unix:{path}"])
                code, out, error = curl("--unix-socket", path, "http://a/hello")
                self.assertEqual((code, out), (0, b"hello"), error)
                self.assertEqual(server.terminate(), 0)
            self.assertFalse(os.path.exists(path))

    def test_port_0_is_one_port_for_all_threads(self):
        config = '[server]\nlisten = ["127.0.0.1:0"]\nthreads = 4\n'
        with harness.Millrace(config + CONFIG) as server:
            self.assertEqual(len(server.listen), 1)
            for _ in range(40):
                self.assertEqual(harness.get(server.url + "/hello").body, b"hello")

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 on this machine")
        with harness.Millrace('[server]\nlisten = ["[::1]:0"]\n' + CONFIG) as server:
            with server.client() as client:
                self.assertEqual(client.request(GET_HELLO).body, b"hello")


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.certificate = os.path.join(directory.name, "cert.pem")
        key = os.path.join(directory.name, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", cls.certificate, "-days", "2", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
        cls.server = harness.Millrace(f'''
            [server]
            listen = []
            head_timeout = "3s"
            [[server.tls]]
            listen = ["127.0.0.1:0"]
            certificates = [{{ certificate = "{cls.certificate}", key = "{key}" }}]
            handshake_timeout = "3s"
            ''' + CONFIG)
        cls.addClassCleanup(cls.server.__exit__)
        cls.url = f"https://{cls.server.address}"

    def connect(self, **options):
        context = ssl.create_default_context(cafile=self.certificate)
        for name, value in options.items():
            setattr(context, name, value)
        plain = socket.create_connection((self.server.host, self.server.port), harness.DEADLINE_S)
        return context.wrap_socket(plain, server_hostname="localhost")

    @unittest.skipUnless(CURL, "curl is not installed")
    def test_curl(self):
        code, out, error = curl("--cacert", self.certificate, self.url + "/hello")
        self.assertEqual((code, out), (0, b"hello"), error)

    @unittest.skipUnless(CURL, "curl is not installed")
    def test_large_bodies_both_ways(self):
        body = os.urandom(3 << 20)
        code, out, error = curl("--cacert", self.certificate, "--data-binary", "@-",
                                self.url + "/tools/echo", data=body)
        self.assertEqual(code, 0, error)
        self.assertEqual(out, body)

    def test_pipelined_with_a_slow_reader(self):
        with self.connect() as client:
            client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8)
            for _ in range(8):
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += client.recv(1)
                self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"), head)
                left = LARGE_BYTES
                while left:
                    data = client.recv(min(left, 65536))
                    self.assertEqual(data.strip(b"x"), b"")
                    left -= len(data)

    def test_close_is_announced(self):
        # Without close_notify this raises ssl.SSLEOFError.
        with self.connect() as client:
            client.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            data = b""
            while piece := client.recv(65536):
                data += piece
            self.assertTrue(data.endswith(b"\r\n\r\nhello"))

    def test_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.connect(minimum_version=version, maximum_version=version) as client:
                client.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                self.assertTrue(client.recv(65536).startswith(b"HTTP/1.1 200"))

    def test_plaintext_is_closed(self):
        with self.server.client() as client:
            client.send(GET_HELLO)
            self.assertTrue(client.is_closed() or client.receive_all())

    def test_a_handshake_that_stalls_is_closed(self):
        began = time.monotonic()
        with self.server.client() as client:
            self.assertTrue(client.is_closed())
        self.assertLess(time.monotonic() - began, 9)  # 3 s are set, 10 s are the default

    def test_an_unverified_certificate_is_the_clients_error(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            context = ssl.create_default_context()
            with socket.create_connection((self.server.host, self.server.port), 10) as plain:
                context.wrap_socket(plain, server_hostname="localhost")


class Timeouts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Millrace(f'''
            [server]
            listen = ["127.0.0.1:0"]
            head_timeout = "1s"
            idle_timeout = "1s"
            {CONFIG}''')
        cls.addClassCleanup(cls.server.__exit__)

    def test_a_head_that_does_not_end(self):
        with self.server.client() as client:
            client.send("GET /hello HTTP/1.1\r\nX:")
            self.assertEqual(client.receive_response().status, 408)
            self.assertTrue(client.is_closed())

    def test_an_idle_connection(self):
        with self.server.client() as client:
            self.assertEqual(client.request(GET_HELLO).status, 200)
            self.assertEqual(client.receive_all(), b"")


del Served
