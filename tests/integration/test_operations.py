"""What an operator lives with: access logs, signals, bad configurations, a server that cannot write
its log."""

import datetime
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import tempfile
import unittest

import harness
import peers

COMBINED = re.compile(r'^(\S+) - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] '
                      r'"(.*)" (\d{3}) (\d+) "(.*)" "(.*)"$')


class Access(unittest.TestCase):
    def line_of(self, server, request_id):
        """The access log line of the request with this id."""
        return harness.wait_until(
            lambda: next((e for e in server.events("access") if e["request_id"] == request_id),
                         None), what=f"the line of {request_id}")

    def test_a_line_says_what_happened(self):
        with harness.Millrace() as server:
            harness.post(server.url + "/echo?x=1", b"12345",
                         [("X-Request-Id", "one"), ("User-Agent", "me/1.0")])
            line = self.line_of(server, "one")
        time = datetime.datetime.fromisoformat(line.pop("time").replace("Z", "+00:00"))
        age = datetime.datetime.now(datetime.timezone.utc) - time
        self.assertLess(abs(age.total_seconds()), 60)
        self.assertGreater(line.pop("duration_us"), 0)
        self.assertEqual(line, {
            "event": "access", "method": "POST", "target": "/echo?x=1", "protocol": "HTTP/1.1",
            "status": 200, "bytes_in": 5, "bytes_out": 5, "client": "127.0.0.1",
            "request_id": "one", "route": "/echo", "user_agent": "me/1.0"})

    def test_a_proxied_request_tells_of_its_upstream(self):
        with peers.Backend() as backend, harness.Millrace(
                '[server]\nlisten = ["127.0.0.1:0"]\nthreads = 1\n'
                f'[upstream.api]\ntargets = ["{backend.url}"]\n'
                '[[route]]\nmatch = { path = "/api/*" }\nupstream = "api"\n') as server:
            for name in ("first", "second"):
                harness.get(server.url + "/api/x", [("X-Request-Id", name)])
            lines = [self.line_of(server, name) for name in ("first", "second")]
            target = f"127.0.0.1:{backend.port}"
        for line, reused in zip(lines, (False, True)):
            self.assertEqual({k: line[k] for k in ("upstream", "upstream_target", "upstream_status",
                                                   "attempts", "reused", "route", "status")},
                             {"upstream": "api", "upstream_target": target, "upstream_status": 200,
                              "attempts": 1, "reused": reused, "route": "/api/*", "status": 200})

    def test_failures_tell_their_cause(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            with harness.Millrace(f'[upstream.a]\ntargets = ["http://127.0.0.1:{port}"]\n'
                                  '[[route]]\nmatch = { path = "/down" }\nupstream = "a"\n'
                                  '[[route]]\nmatch = { path = "/v1/image/*" }\n'
                                  'endpoint = "image"\n') as server:
                for name, path, status, cause in (("a", "/down", 502, "connect_refused"),
                                                  ("b", "/nowhere", 404, "not_found"),
                                                  ("c", "/v1/image/info", 400, "empty_body")):
                    harness.get(server.url + path, [("X-Request-Id", name)])
                    line = self.line_of(server, name)
                    self.assertEqual((line["status"], line["cause"]), (status, cause))

    def test_refused_heads_have_their_line_too(self):
        with harness.Millrace() as server, server.client() as client:
            response = client.request("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            line = self.line_of(server, response.header("x-request-id"))
            self.assertEqual((line["status"], line["cause"]), (400, "bad_host"))

    def test_a_client_that_left_has_its_line_too(self):
        with harness.Millrace() as server:
            with server.client() as client:
                client.send("GET /stream?interval_ms=60000 HTTP/1.1\r\nHost: a\r\n"
                            "X-Request-Id: gone\r\n\r\n")
                client.receive_until(b'{"line":1}\n')
            self.assertEqual(self.line_of(server, "gone")["cause"], "client_gone")

    def test_one_line_per_request_whatever_they_contain(self):
        agents = ['"quotes"', "back\\slash", "tab\tinside", "\x80\xff bytes", "x" * 5000,
                  '","status":200,"a":"', "ünïcödé"]
        with harness.Millrace() as server:
            for number, agent in enumerate(agents):
                harness.get(server.url + "/health?" + "x" * 5000,
                            [("User-Agent", agent), ("X-Request-Id", str(number))])
            server.terminate()
            for line in server.log:
                json.loads(line)
            self.assertEqual(len(server.events("access")), len(agents))
            for number in (0, 1, 2, 5):
                self.assertEqual(self.line_of(server, str(number))["user_agent"], agents[number])

    def test_secrets_in_queries_are_not_written(self):
        with harness.Millrace() as server:
            for query in ("access_token=hush&x=1", "api_key=hush", "password=hush&token=hush",
                          "url=http%3A%2F%2Fa%2F%3Ftoken%3Dhush", "X-Amz-Signature=hush",
                          "TOKEN=hush", "tok%65n=hush"):
                harness.get(f"{server.url}/health?{query}",
                            [("Authorization", "Bearer hush"), ("Cookie", "a=hush"),
                             ("Referer", "http://r/?token=hush")])
            harness.wait_until(lambda: len(server.events("access")) >= 7, what="the lines")
            server.terminate()
            self.assertNotIn("hush", "\n".join(server.log))
            self.assertIn("&x=1", " ".join(e["target"] for e in server.events("access")))

    def test_off_is_silent(self):
        with harness.Millrace('[log]\naccess = "off"\n') as server:
            harness.get(server.url + "/health")
            harness.get(server.url + "/nothing")
            server.terminate()
            self.assertEqual(server.events("access"), [])
            self.assertEqual(len(server.events("ready")), 1)

    def test_ready_line_is_written_whatever_the_level(self):
        with harness.Millrace('[log]\nlevel = "error"\n') as server:
            self.assertEqual(len(server.events("ready")), 1)

    def test_nothing_is_lost_at_the_end(self):
        with harness.Millrace() as server:
            for _ in range(300):
                harness.get(server.url + "/health")
            self.assertEqual(server.terminate(), 0)
            self.assertEqual(len(server.events("access")), 300)


class Files(unittest.TestCase):
    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(directory, "access.log")

    def start(self, form):
        config = f'[log]\naccess = "{self.path}"\nformat = "{form}"\n'
        return self.enterContext(harness.Millrace(config))

    def lines(self, path=None):
        path = path or self.path
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_lines(self, count, path=None):
        harness.wait_until(lambda: len(self.lines(path)) >= count, what=f"{count} lines")
        return self.lines(path)

    def test_combined(self):
        server = self.start("combined")
        harness.get(server.url + "/bytes?n=100&token=hush",
                    [("Referer", "http://r.example/page?token=hush"), ("User-Agent", 'a "b"')])
        self.wait_for_lines(1)  # io threads write on their own: order is by time, roughly
        harness.get(server.url + "/nothing")
        first, second = (COMBINED.match(line) for line in self.wait_for_lines(2))
        client, time, request, status, size, referer, agent = first.groups()
        self.assertEqual((client, request, status, size),
                         ("127.0.0.1", "GET /bytes?n=100&token=*** HTTP/1.1", "200", "100"))
        self.assertTrue(referer.startswith("http://r.example/page"))
        self.assertNotIn("hush", referer)
        self.assertEqual(agent, "a \\x22b\\x22")
        datetime.datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z")
        self.assertEqual(second.group(4, 6, 7), ("404", "-", "-"))

    def test_json_in_a_file_and_events_on_stderr(self):
        server = self.start("json")
        harness.get(server.url + "/health")
        line = json.loads(self.wait_for_lines(1)[0])
        self.assertEqual((line["event"], line["target"]), ("access", "/health"))
        self.assertEqual(server.events("access"), [])
        self.assertEqual(len(server.events("ready")), 1)
        # Who asked for what is nobody else's business.
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode) & 0o007, 0)

    def test_lines_are_appended_to_what_is_there(self):
        self.path.write_text("an older line\n")
        harness.get(self.start("json").url + "/health")
        self.assertEqual(self.wait_for_lines(2)[0], "an older line")

    def test_sigusr1_goes_on_in_a_new_file(self):
        server = self.start("json")
        rotated = self.path.with_suffix(".1")
        harness.get(server.url + "/health?before")
        self.wait_for_lines(1)
        self.path.rename(rotated)
        harness.get(server.url + "/health?between")  # still into the renamed one
        self.wait_for_lines(2, rotated)
        server.signal(signal.SIGUSR1)
        harness.wait_until(self.path.exists, what="the new file")
        # Whoever is asked from now on, the old file stays as it is.
        harness.get(server.url + "/health?after")
        self.assertIn("after", self.wait_for_lines(1)[0])
        self.assertEqual(len(self.lines(rotated)), 2)

    def test_sigusr1_where_nothing_can_be_opened_keeps_the_old_file(self):
        server = self.start("json")
        rotated = self.path.with_suffix(".1")
        self.path.rename(rotated)
        self.path.mkdir()
        server.signal(signal.SIGUSR1)
        harness.wait_until(lambda: any(e["event"] not in ("ready", "access")
                                       for e in server.events()), 3, "a complaint")
        harness.get(server.url + "/health?after")
        self.assertIn("after", self.wait_for_lines(1, rotated)[0])

    def test_file_that_cannot_be_opened_is_exit_1(self):
        result = harness.run("serve", "--set", 'server.listen=["127.0.0.1:0"]', "--set",
                             "admin.listen=none", "--set", "log.access=/nonexistent/access.log")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn("/nonexistent/access.log", result.stderr)


class Signals(unittest.TestCase):
    def test_second_signal_ends_it_now(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name), harness.Millrace() as server, \
                    server.client() as client:
                client.send("GET /stream?interval_ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n")
                client.receive_until(b'{"line":1}\n\r\n')
                server.signal(number)
                harness.wait_until(lambda: server.events("draining"), what="the drain to begin")
                self.assertTrue(server.alive())
                server.signal(number)
                self.assertEqual(server.wait(deadline_s=10), 0, server.tail())
                self.assertTrue(client.is_closed())

    def test_signals_that_it_does_nothing_on_do_nothing(self):
        with harness.Millrace() as server:
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
                server.signal(number)
            harness.wait_until(lambda: any("reload" in e["event"] for e in server.events()),
                               what="what it says about SIGHUP")
            self.assertEqual(harness.get(server.url + "/health").status, 200)
            self.assertEqual(server.terminate(), 0, server.tail())


class BadConfigurations(unittest.TestCase):
    """serve ends with 2 and says where, before it has bound anything."""

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.file = self.directory / "my.toml"

    def assert_refused(self, text, line, *words):
        """Refused in this line, counted from 1, with these words."""
        self.file.write_text(text)
        result = harness.run("serve", "-c", self.file, cwd=self.directory)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertRegex(result.stderr, rf"my\.toml:{line}:\d+: ")
        self.assertEqual(result.stdout, "")
        for word in words:
            self.assertIn(word, result.stderr)
        return result.stderr

    def test_mistakes(self):
        for text, line, words in (
                ('[server]\nthreads = 1\nhaed_timeout = "1s"\n', 3, ("haed_timeout", "did you mean",
                                                                   "head_timeout")),
                ("[sever]\n", 1, ("sever", "server")),
                ("[limits]\nhead = 5.5\n", 2, ("head",)),
                ('[limits]\nhead = "64 parsecs"\n', 2, ("64 parsecs",)),
                ('[server]\nidle_timeout = "soon"\n', 2, ("soon",)),
                ('[server]\nlisten = ["127.0.0.1"]\n', 2, ("127.0.0.1",)),
                ('[server]\nlisten = ["127.0.0.1:99999"]\n', 2, ("99999",)),
                ('[server]\nlisten = "127.0.0.1:0"\n\n[server]\n', 4, ()),
                ('[[route]]\nmatch = { path = "/*" }\nupstream = "nobody"\n', 3, ("nobody",)),
                ('[[route]]\nmatch = { path = "/*" }\nendpoint = "imgae"\n', 3, ("imgae", "image")),
                ('[[route]]\nmatch = { path = "/*" }\n', 1, ()),
                ('[[route]]\nmatch = { path = "no-slash" }\nendpoint = "all"\n', 2, ("no-slash",)),
                ('[upstream.a]\ntargets = []\n', 2, ("targets",)),
                ('[upstream.a]\ntargets = ["ftp://a"]\n', 2, ("ftp://a",)),
                ('[server]\nlisten = ["${SURELY_NOT_SET}:0"]\n', 2, ("SURELY_NOT_SET",)),
                ('[server]\nlisten = ["0.0.0.0:0"]\n', 2, ("allow_hosts",)),
                ('[[server.tls]]\nlisten = ["127.0.0.1:0"]\ncertificates = [{ certificate = '
                 '"none.pem", key = "none.key" }]\n', 3, ("none.pem",)),
                ("just words\n", 1, ()), ('[log]\nformat = "xml"\n', 2, ("xml", "json"))):
            with self.subTest(text):
                self.assert_refused(text, line, *words)

    def test_all_mistakes_are_told_at_once(self):
        stderr = self.assert_refused("[limits]\nhead = true\nfields = 0\n[log]\nlevle = 1\n", 2)
        for place in (":2:", ":3:", ":5:"):
            self.assertIn("my.toml" + place, stderr)

    def test_key_that_does_not_fit_its_certificate(self):
        for name in ("a", "b"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test", "-keyout",
                            f"{name}.key", "-out", f"{name}.pem"], cwd=self.directory, check=True,
                           capture_output=True)
        self.assert_refused('[[server.tls]]\nlisten = ["127.0.0.1:0"]\n'
                            'certificates = [{ certificate = "a.pem", key = "b.key" }]\n', 3)

    def test_file_that_is_a_directory_or_binary(self):
        self.file.mkdir()
        self.assertEqual(harness.run("serve", "-c", self.file).returncode, 2)
        binary = self.directory / "binary.toml"
        binary.write_bytes(b"\0\xff\xfe" * 100)
        result = harness.run("serve", "-c", binary)
        self.assertEqual(result.returncode, 2)
        self.assertIn("binary.toml:1:", result.stderr)

    def test_set_overrides_the_file(self):
        self.file.write_text('[server]\nthreads = 1\nlisten = ["127.0.0.1:0"]\n'
                             '[admin]\nlisten = "127.0.0.1:0"\n')
        command = ["serve", "-c", self.file, "--set", "server.threads=3", "--set",
                   "log.access=off", "--set", "limits.body=10B"]
        with harness.Millrace(command=command) as server:
            status = harness.get(server.admin + "/status").json()
            self.assertEqual(status["threads"], 3)
            self.assertEqual(harness.post(server.url + "/echo", b"x" * 10).status, 200)
            self.assertEqual(harness.post(server.url + "/echo", b"x" * 11).status, 413)
            server.terminate()
            self.assertEqual(server.events("access"), [])

    def test_bad_sets_are_told_apart_from_the_file(self):
        for text, word in (("server.threads=many", "many"), ("server.thraeds=1", "thraeds"),
                           ("server.threads", "server.threads"), ("=1", "=1"),
                           ("nothing.at.all=1", "nothing")):
            with self.subTest(text):
                result = harness.run("serve", "--set", text, cwd=self.directory)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(word, result.stderr)


class BusyAddresses(unittest.TestCase):
    def serve_on(self, listen):
        result = harness.run("serve", "--set", f'server.listen=["{listen}"]', "--set",
                             "admin.listen=none", "--set", "fetch.allow_hosts=[]")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(listen.removeprefix("unix:"), result.stderr)

    def test_port_on_which_somebody_listens(self):
        with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
            self.serve_on("127.0.0.1:%d" % other.getsockname()[1])

    def test_address_that_is_not_ours(self):
        self.serve_on("192.0.2.1:0")

    def test_unix_socket_on_which_somebody_listens(self):
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as other:
            path = str(pathlib.Path(directory, "s"))
            other.bind(path)
            other.listen()
            self.serve_on("unix:" + path)
            # It was not taken away from its owner either.
            with socket.socket(socket.AF_UNIX) as probe:
                self.assertEqual(probe.connect_ex(path), 0)

    def test_unix_socket_that_a_dead_server_left_is_taken_over(self):
        with tempfile.TemporaryDirectory() as directory:
            path = str(pathlib.Path(directory, "s"))
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(path)
            config = f'[server]\nlisten = ["unix:{path}"]\n'
            with harness.Millrace(config) as server:
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(path)
                    client.sendall(b"GET /health HTTP/1.0\r\nHost: a\r\n\r\n")
                    self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 200 "))
                self.assertEqual(server.terminate(), 0, server.tail())


class Logless(unittest.TestCase):
    """A log that nobody takes must not stop anybody."""

    REQUESTS = 3000  # some 800 KB of lines: far more than a pipe holds

    def serve(self, stderr):
        """A server whose stderr is this descriptor; its address is asked of its admin socket."""
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        port = harness.free_port()
        process = subprocess.Popen(
            [harness.BINARY, "serve", "--set", f'server.listen=["127.0.0.1:{port}"]', "--set",
             "admin.listen=none"], stderr=stderr, stdout=stderr, cwd=directory)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def accepts():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        harness.wait_until(accepts, what="the server")
        return process, port

    def assert_serves(self, process, port):
        with harness.RawClient("127.0.0.1", port) as client:
            for start in range(0, self.REQUESTS, 100):
                client.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
                for _ in range(100):
                    self.assertEqual(client.receive_response().status, 200, start)
        process.terminate()
        self.assertEqual(process.wait(harness.DEADLINE_S), 0)

    def test_pipe_that_nobody_reads(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        process, port = self.serve(writer)
        os.close(writer)
        self.assert_serves(process, port)

    def test_pipe_whose_reader_left(self):
        reader, writer = os.pipe()
        process, port = self.serve(writer)
        os.close(writer)
        os.close(reader)
        self.assert_serves(process, port)

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            process, port = self.serve(full)
        self.assert_serves(process, port)


if __name__ == "__main__":
    unittest.main()
