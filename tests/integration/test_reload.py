"""Reloading the configuration of a running server, and the commands that talk to one."""

import json
import os
import shutil
import signal
import socket
import ssl
import threading
import unittest

import h2client
import harness
import peers
import pki
from test_websocket import switching

CHUNKED = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
           b"\r\n")
MIB = 1024 * 1024


def respond(path, body):
    return f'[[route]]\nmatch = {{ path = "{path}" }}\nrespond = {{ body = "{body}" }}\n'


def forward(path, *urls):
    targets = ", ".join(f'"{url}"' for url in urls)
    return (f'[[route]]\nmatch = {{ path = "{path}" }}\nupstream = "service"\n'
            f'[upstream.service]\ntargets = [{targets}]\n')


def listen(*addresses, more=""):
    quoted = ", ".join(f'"{address}"' for address in addresses)
    return f"[server]\nlisten = [{quoted}]\n{more}\n"


class Service:
    """A backend: answers with its name; events on demand, a WebSocket, an upload that it counts."""

    def __init__(self, name):
        self.name = name.encode()
        self.streams, self.uploads = [], []
        self.backend = peers.Backend(on_connection=self._serve)
        self.url = f"http://{self.backend.host}:{self.backend.port}"

    def _serve(self, connection):
        while True:
            head = connection._until(b"\r\n\r\n")
            if head is None:
                return
            if head.startswith(b"GET /svc/events"):
                connection.send(CHUNKED)
                self.streams.append(connection)
                connection._until(b"never")
                return
            if head.startswith(b"GET /svc/socket"):
                connection.send(switching(head))
                while line := connection._until(b"\n"):
                    connection.send(b"echo " + line)
                return
            if b"hunked\r\n" in head:
                self.uploads.append(connection._read_chunked([]))
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                            % (len(self.name), self.name))

    def event(self, text):
        self.streams[0].send(b"%x\r\n%s\r\n" % (len(text), text))


class ReloadTest(unittest.TestCase):
    def serve(self, config, **options):
        self.server = self.enterContext(harness.Millrace(config, **options))
        return self.server

    def reload(self, config=None, status=200):
        """Writes the file and has it read: the answer's document."""
        if config is not None:
            self.server.write_config(config)
        response = harness.post(self.server.admin + "/reload")
        self.assertEqual(response.status, status, response.body)
        return response.json()

    def status(self):
        return harness.get(self.server.admin + "/status").json()

    def body(self, path="/", address=None):
        response = harness.get(f"http://{address or self.server.address}{path}")
        self.assertEqual(response.status, 200)
        return response.body.decode()

    def in_use(self):
        return self.status()["configuration"]["generations_in_use"]

    def service(self, name):
        service = Service(name)
        self.enterContext(service.backend)
        return service


class UnderLoad(ReloadTest):
    RELOADS = 100

    def config(self, number, services):
        return (f"limits.fields = {50 + number % 50}\n" + respond("/n", f"n{number}")
                + forward("/svc/*", services[number % 2].url)
                + listen("127.0.0.1:0", more="threads = 2"))

    def load(self, once):
        """Calls once() until the test is over, on a thread of its own."""

        def run():
            try:
                while not self.stop.is_set():
                    self.served.append(once())
            except Exception as error:  # pylint: disable=broad-except
                self.failures.append(repr(error))

        worker = threading.Thread(target=run)
        worker.start()
        self.workers.append(worker)

    def start_load(self):
        self.stop, self.served, self.failures, self.workers = threading.Event(), [], [], []
        h1, posting = self.enterContext(self.server.client()), self.enterContext(
            self.server.client())
        h2 = self.enterContext(h2client.Connection(self.server))
        paths = iter(["/n", "/svc/x"] * 1_000_000)
        self.load(lambda: h1.request(f"GET {next(paths)} HTTP/1.1\r\nHost: a\r\n\r\n").status)
        self.load(lambda: posting.request(
            "POST /svc/y HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").status)
        self.load(lambda: h2.get("/svc/z").status)
        self.load(lambda: harness.get(self.server.url + "/n").status)

    def end_load(self):
        self.stop.set()
        for worker in self.workers:
            worker.join()
        self.assertEqual(self.failures, [])
        self.assertEqual(set(self.served), {200})
        self.assertGreater(len(self.served), self.RELOADS)

    def test_a_hundred_reloads_fail_no_request(self):
        services = [self.service("even"), self.service("odd")]
        self.serve(self.config(0, services))
        events, socket_, upload = (self.enterContext(self.server.client()) for _ in range(3))
        events.send("GET /svc/events HTTP/1.1\r\nHost: a\r\n\r\n")
        events.receive_until(b"\r\n\r\n")
        socket_.send("GET /svc/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        self.assertEqual(socket_.receive_response().status, 101)
        upload.send("POST /svc/up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.start_load()
        memory = []
        for number in range(1, self.RELOADS + 1):
            answer = self.reload(self.config(number, services))
            self.assertEqual(answer["generation"], number + 1)
            services[0].event(b"data: %d\n\n" % number)
            self.assertIn(b"data: %d\n\n" % number, events.receive_until(b"\n\n\r\n"))
            socket_.send(f"{number}\n")
            socket_.receive_until(b"echo %d\n" % number)
            upload.send("1\r\nx\r\n")
            if number in (self.RELOADS // 2, self.RELOADS):
                memory.append(self.server.rss_bytes())
        self.end_load()
        self.assertEqual(self.body("/n"), f"n{self.RELOADS}")
        self.assertEqual(self.in_use(), 2, "the streams began with the first one")
        upload.send("0\r\n\r\n")
        self.assertEqual(upload.receive_response().body, b"even")
        self.assertEqual(services[0].uploads, [b"x" * self.RELOADS])
        events.close()
        socket_.close()
        harness.wait_until(lambda: self.in_use() == 1, what="the end of the first configuration")
        if not harness.SANITIZED:
            self.assertLess(memory[1] - memory[0], 2 * MIB)

    def test_so_many_configurations_live_and_not_one_more(self):
        limit = 256
        config = ('[[route]]\nmatch = { path = "/*" }\nendpoint = "tools"\n'
                  + listen("127.0.0.1:0", more="threads = 1"))
        self.serve(config)
        held = []
        for _ in range(limit - 1):
            held.append(self.enterContext(self.server.client()))
            held[-1].send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "1\r\nx\r\n")
            held[-1].receive_until(b"x\r\n")
            self.reload()
        self.assertEqual(self.in_use(), limit)
        answer = self.reload(status=422)
        self.assertIn(f"{limit} configurations are still in use", answer["errors"][0]["text"])
        held[7].send("0\r\n\r\n")
        held[7].receive_until(b"0\r\n\r\n")
        harness.wait_until(lambda: self.in_use() == limit - 1, what="the end of one of them")
        self.reload()
        for client in held:
            client.close()
        harness.wait_until(lambda: self.in_use() == 1, what="the end of all of them")

    def test_signals_during_a_reload_are_not_lost(self):
        self.serve(respond("/*", "before"))
        for number in range(20):
            self.server.write_config(respond("/*", f"now {number}"))
            self.server.signal(signal.SIGHUP)
        harness.wait_until(lambda: self.body() == "now 19", what="the last file")


class BadFiles(ReloadTest):
    def test_every_error_is_told_and_nothing_changes(self):
        self.serve(respond("/*", "good"))
        answer = self.reload("limits.fields = 1\nlimits.hed = 1\n[[route]]\nupstream = \"none\"\n"
                             "match = { path = \"x\" }\n", status=422)
        texts = [error["text"] for error in answer["errors"]]
        self.assertGreaterEqual(len(texts), 3, texts)
        self.assertEqual(answer["code"], "config_invalid")
        self.assertEqual(answer["generation"], 1)
        self.assertTrue(any(f"{self.server.config_file}:2:" in text and "hed" in text
                            for text in texts), texts)
        logged = harness.wait_until(
            lambda: self.server.events("reload_failed") and self.server.events("config_error"))
        self.assertEqual([event["error"] for event in logged], texts)
        self.assertEqual(self.body(), "good")
        configuration = self.status()["configuration"]
        self.assertEqual(configuration["reload_failures"], 1)
        self.assertEqual(configuration["last_failure"], texts[0])
        self.reload(respond("/*", "better"))
        self.assertEqual(self.body(), "better")
        self.assertNotIn("last_failure", self.status()["configuration"])

    def test_a_missing_file_is_no_empty_one(self):
        self.serve(respond("/*", "good"))
        self.server.config_file.unlink()
        answer = self.reload(status=422)
        self.assertIn("cannot be read", answer["errors"][0]["text"])
        self.assertEqual(self.body(), "good")

    def test_a_file_that_is_named_and_does_not_load(self):
        bad = "nonsense.pem"
        self.serve(respond("/*", "good"))
        (self.server.directory / bad).write_text("nonsense")
        secure = (forward("/*", "https://localhost:1")
                  + f'tls = {{ ca = "{self.server.directory / bad}" }}\n')
        answer = self.reload(secure, status=422)
        self.assertIn(bad, answer["errors"][0]["text"])
        self.assertEqual(self.body(), "good")

    def test_a_busy_address_refuses_all_of_it(self):
        self.serve(respond("/*", "good"))
        with socket.create_server(("127.0.0.1", 0)) as other:
            busy = "127.0.0.1:%d" % other.getsockname()[1]
            answer = self.reload(respond("/*", "new") + listen("127.0.0.1:0", busy), status=422)
        self.assertIn(busy, answer["errors"][0]["text"])
        self.assertEqual(answer["code"], "reload_failed")
        self.assertEqual(self.body(), "good")

    def test_not_while_draining(self):
        self.serve(respond("/*", "good") + listen("127.0.0.1:0", more='drain_timeout = "10s"'))
        client = self.enterContext(self.server.client())
        client.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        harness.post(self.server.admin + "/drain")
        self.assertEqual(self.reload(status=409)["code"], "reload_refused")

    def test_a_log_that_cannot_be_opened(self):
        self.serve(respond("/*", "good"))
        answer = self.reload(respond("/*", "new") + '[log]\naccess = "/proc/none/x"\n', status=422)
        self.assertIn("/proc/none/x", answer["errors"][0]["text"])
        self.assertEqual(self.body(), "good")


class Changes(ReloadTest):
    def test_an_old_connection_has_the_new_routes_and_limits(self):
        self.serve(respond("/*", "one"))
        with self.server.client() as client, h2client.Connection(self.server) as h2:
            ask = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nY: z\r\n\r\n"
            self.assertEqual(client.request(ask).body, b"one")
            self.assertEqual(h2.get().body, b"one")
            self.reload(respond("/*", "two") + "[limits]\nfields = 3\n")
            self.assertEqual(client.request(ask).body, b"two")
            self.assertEqual(h2.get().body, b"two")
            self.reload(respond("/*", "three") + "[limits]\nfields = 2\n")
            self.assertEqual(h2.get().body, b"three")
            self.assertEqual(client.request(ask).status, 431)

    def test_upstream_targets(self):
        one, two = self.service("one"), self.service("two")
        self.serve(forward("/svc/*", one.url))
        self.assertEqual(self.body("/svc/a"), "one")
        self.reload(forward("/svc/*", two.url))
        self.assertEqual({self.body("/svc/a") for _ in range(4)}, {"two"})

    def test_idle_connections_of_an_unchanged_target_are_kept(self):
        service = self.service("same")
        one_thread = listen("127.0.0.1:0", more="threads = 1")
        self.serve(forward("/svc/*", service.url) + one_thread)
        self.body("/svc/a")
        for number in range(3):
            self.reload(forward("/svc/*", service.url) + one_thread + respond("/x", str(number)))
            self.body("/svc/a")
        self.assertEqual(len(service.backend.connections), 1)

    def test_what_needs_a_restart_is_said_and_the_rest_done(self):
        self.serve(respond("/*", "one") + listen("127.0.0.1:0", more="threads = 1"))
        answer = self.reload("offload.queue = 7\n" + respond("/*", "two")
                             + listen("127.0.0.1:0", more="threads = 2"))
        self.assertEqual([w["text"] for w in answer["warnings"]],
                         ["restart needed for server.threads", "restart needed for offload.queue"])
        self.assertEqual(self.body(), "two")
        self.assertEqual(self.status()["threads"], 1)

    def test_the_log(self):
        self.serve(respond("/*", "x") + '[log]\naccess = "off"\n')
        self.body("/silent")
        path = self.server.directory / "access.log"
        self.reload(respond("/*", "x") + f'[log]\naccess = "{path}"\nformat = "combined"\n')
        self.body("/filed")
        self.reload(respond("/*", "x") + '[log]\naccess = "stderr"\nlevel = "warn"\n')
        self.body("/said")
        self.assertEqual(self.status()["log"]["level"], "warn")
        harness.wait_until(lambda: self.server.events("access"), what="the access line")
        self.assertEqual([e["target"] for e in self.server.events("access")], ["/said"])
        self.assertRegex(path.read_text(), r'^127\.0\.0\.1 .* "GET /filed HTTP/1\.1" 200 1 .*\n$')

    def test_certificates(self):
        authority = self.enterContext(pki.Authority())
        old, new = authority.issue(subject="old"), authority.issue(subject="new")

        def secure(identity):
            return ('[server]\nlisten = []\n[[server.tls]]\nlisten = ["127.0.0.1:0"]\n'
                    f"certificates = [{identity.entry()}]\n" + respond("/*", "x"))

        def subject():
            context = ssl.create_default_context(cafile=authority.certificate)
            context.check_hostname = False
            with socket.create_connection((self.server.host, self.server.port)) as plain, \
                    context.wrap_socket(plain, server_hostname="origin.test") as tls:
                return dict(part[0] for part in tls.getpeercert()["subject"])["commonName"]

        self.serve(secure(old))
        self.assertEqual(subject(), "old")
        self.reload(secure(new))
        self.assertEqual({subject() for _ in range(4)}, {"new"})

    def test_authorities_of_an_upstream_are_read_again(self):
        right = self.enterContext(pki.Authority())
        wrong = self.enterContext(pki.Authority())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        identity = right.issue(names="localhost")
        context.load_cert_chain(identity.certificate, identity.key)

        def serve_tls(connection):
            connection.socket = context.wrap_socket(connection.socket, server_side=True)
            connection.read_request()
            connection.send(peers.HELLO)

        backend = self.enterContext(peers.Backend(on_connection=serve_tls))
        directory = self.enterContext(harness.tempfile.TemporaryDirectory())
        path = os.path.join(directory, "ca.pem")
        shutil.copy(wrong.certificate, path)
        config = (forward("/*", f"https://localhost:{backend.port}")
                  + f'tls = {{ ca = "{path}" }}\n')
        self.serve(config)
        self.assertEqual(harness.get(self.server.url + "/").status, 502)
        shutil.copy(right.certificate, path)
        self.reload(config)
        self.assertEqual(self.body(), "hello")

    def test_the_guard_knows_new_listeners(self):
        networks = '[fetch]\nallow_networks = ["127.0.0.0/8"]\n'
        self.serve('[[route]]\nmatch = { path = "/*" }\nendpoint = "all"\n' + networks)
        port = harness.free_port()
        self.reload('[[route]]\nmatch = { path = "/*" }\nendpoint = "all"\n' + networks
                    + listen("127.0.0.1:0", f"127.0.0.1:{port}"))
        for own in (port, self.server.port):
            answer = harness.get(f"{self.server.url}/v1/fetch?url=http://127.0.0.1:{own}/echo")
            self.assertEqual(answer.json()["code"], "url_refused")


class ListenersChange(ReloadTest):
    def bound(self):
        return [l["address"] for l in self.status()["listeners"]]

    def test_one_comes_and_goes(self):
        self.serve(respond("/*", "x"))
        first = self.server.address
        self.reload(respond("/*", "x") + listen("127.0.0.1:0", "[::1]:0"))
        self.assertEqual(self.bound()[0], first, "the one that stays is not touched")
        second = self.bound()[1]
        self.assertEqual(self.body(address=second), "x")
        self.reload(respond("/*", "y") + listen(second))
        self.assertEqual(self.bound(), [second])
        self.assertEqual(self.body(address=second), "y")
        host, port = first.rsplit(":", 1)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
        self.reload(respond("/*", "z") + listen(second, first))
        self.assertEqual(self.body(address=first), "z", "it may come back at once")

    def test_connections_of_one_that_goes_drain(self):
        service = self.service("slow")
        self.serve(forward("/svc/*", service.url))
        with self.server.client() as idle, self.server.client() as busy:
            idle.request("GET /svc/a HTTP/1.1\r\nHost: a\r\n\r\n")
            busy.send("GET /svc/events HTTP/1.1\r\nHost: a\r\n\r\n")
            busy.receive_until(b"\r\n\r\n")
            self.reload(respond("/*", "new") + listen("[::1]:0"))
            last = idle.request("GET /svc/a HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual((last.body, last.header("connection")), (b"slow", "close"))
            service.event(b"more")
            busy.receive_until(b"more")
            self.assertEqual(self.in_use(), 2)
        harness.wait_until(lambda: self.in_use() == 1, what="the end of the old configuration")

    def test_a_unix_socket(self):
        self.serve(respond("/*", "x"))
        path = self.server.directory / "public.sock"
        self.reload(respond("/*", "x") + listen("127.0.0.1:0", f"unix:{path}"))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        self.reload(respond("/*", "x"))
        self.assertFalse(path.exists())

    def test_egress_comes_and_goes(self):
        self.serve(respond("/*", "x"))
        egress = '[[egress]]\nlisten = "127.0.0.1:0"\nallow_hosts = ["*"]\n'
        self.reload(respond("/*", "x") + egress)
        found = [l["address"] for l in self.status()["listeners"] if l["egress"]]
        answer = harness.get(f"http://{found[0]}/http/127.0.0.1:1/")
        self.assertEqual(answer.json()["code"], "url_refused")
        self.reload(respond("/*", "x"))
        self.assertEqual([l for l in self.status()["listeners"] if l["egress"]], [])

    def test_a_wider_address_says_what_is_in_its_way(self):
        self.serve(respond("/*", "x"))
        answer = self.reload(respond("/*", "x") + listen(f"0.0.0.0:{self.server.port}"),
                             status=422)
        self.assertIn("itself", answer["errors"][0]["text"])


class Commands(ReloadTest):
    def control(self, *arguments, code=0):
        result = harness.run(*arguments, "--admin", self.server.admin.removeprefix("http://"))
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def test_status(self):
        self.serve(respond("/*", "x"))
        document = json.loads(self.control("status").stdout)
        self.assertTrue(document["ready"])
        self.assertEqual(document["listeners"][0]["address"], self.server.address)

    def test_reload(self):
        self.serve(respond("/*", "x"))
        self.server.write_config(respond("/*", "y"))
        self.assertEqual(json.loads(self.control("reload").stdout)["generation"], 2)
        self.assertEqual(self.body(), "y")
        self.server.write_config("nonsense = 1\nmore = 2\n")
        failed = self.control("reload", code=1)
        self.assertIn("millrace.toml:1:1: error:", failed.stderr)
        self.assertIn("millrace.toml:2:1: error:", failed.stderr)

    def test_restart_of_nothing(self):
        self.serve(respond("/*", "x"))
        self.assertIn("404", self.control("restart", "no such", code=1).stderr)

    def test_drain_waits(self):
        self.serve(respond("/*", "x"))
        self.control("drain", "--wait")
        self.assertEqual(self.server.wait(), 0)

    def test_a_unix_socket_named_by_a_file_with_errors(self):
        directory = self.enterContext(harness.tempfile.TemporaryDirectory())
        path = os.path.join(directory, "admin.sock")
        admin = f'[admin]\nlisten = "unix:{path}"\n'
        with harness.Process([harness.BINARY, "serve", "-c", "a.toml"], "millrace", cwd=(
                self.write(directory, admin + listen("127.0.0.1:0")))):
            harness.wait_until(lambda: os.path.exists(path))
            self.write(directory, admin + 'nonsense = "${NOT_SET}"\n')
            result = harness.run("reload", "-c", os.path.join(directory, "a.toml"))
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("nonsense", result.stderr)

    @staticmethod
    def write(directory, text):
        with open(os.path.join(directory, "a.toml"), "w", encoding="utf-8") as file:
            file.write(text)
        return directory

    def test_nobody_there(self):
        result = harness.run("status", "--admin", f"127.0.0.1:{harness.free_port()}")
        self.assertEqual(result.returncode, 1)
        self.assertIn("127.0.0.1", result.stderr)

    def test_usage(self):
        for arguments in (["restart"], ["status", "--admin", "nonsense"],
                          ["drain", "--timeout", "soon"]):
            self.assertEqual(harness.run(*arguments).returncode, 2, arguments)


class Admin(ReloadTest):
    def test_the_configuration_without_its_secrets(self):
        self.serve('[[route]]\nmatch = { path = "/*" }\n'
                   'respond = { headers = { X-Api-Key = "hush", X-Other = "seen" } }\n')
        text = harness.get(self.server.admin + "/config").body.decode()
        self.assertIn("seen", text)
        self.assertNotIn("hush", text)

    def test_the_log_level(self):
        self.serve(respond("/*", "x"))
        answer = harness.post(self.server.admin + "/log-level?level=debug")
        self.assertEqual((answer.status, answer.body), (200, b"debug\n"))
        self.assertEqual(harness.post(self.server.admin + "/log-level", b"error").status, 200)
        self.assertEqual(self.status()["log"]["level"], "error")
        self.assertEqual(harness.post(self.server.admin + "/log-level", b"loud").status, 400)
        self.assertEqual(harness.get(self.server.admin + "/log-level").status, 405)


class ServiceManager(ReloadTest):
    def test_it_is_told(self):
        directory = self.enterContext(harness.tempfile.TemporaryDirectory())
        path = os.path.join(directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(harness.DEADLINE_S)
            self.serve(respond("/*", "x"), env={"NOTIFY_SOCKET": path})
            self.assertIn(b"READY=1", manager.recv(4096))
            self.reload()
            self.assertRegex(manager.recv(4096), rb"^RELOADING=1\nMONOTONIC_USEC=\d+$")
            self.assertIn(b"READY=1", manager.recv(4096))
            self.server.signal(signal.SIGTERM)
            self.assertIn(b"STOPPING=1", manager.recv(4096))

    def test_its_sockets_are_used(self):
        directory = self.enterContext(harness.tempfile.TemporaryDirectory())
        path = os.path.join(directory, "public.sock")
        with socket.create_server(("127.0.0.1", 0)) as tcp, \
                socket.socket(socket.AF_UNIX) as unix:
            unix.bind(path)
            unix.listen()
            tcp_address = "127.0.0.1:%d" % tcp.getsockname()[1]
            config = os.path.join(directory, "a.toml")
            with open(config, "w", encoding="utf-8") as file:
                file.write(listen(tcp_address, f"unix:{path}") + respond("/*", "passed")
                           + '[admin]\nlisten = "127.0.0.1:0"\n')
            # The descriptors are 3 and 4 there, and the process that looks at them is the server.
            script = ("exec 3<&%d 4<&%d; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$@\""
                      % (tcp.fileno(), unix.fileno()))
            command = ["bash", "-c", script, "bash", harness.BINARY, "serve", "-c", config]
            for _ in range(2):  # they are as good for the next one
                with harness.Process(command, "millrace",
                                     pass_fds=[tcp.fileno(), unix.fileno()]) as server:
                    harness.wait_until(lambda: any('"ready"' in line for line in server.log))
                    self.assertEqual(self.body(address=tcp_address), "passed")
                    with socket.socket(socket.AF_UNIX) as client:
                        client.connect(path)
                        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                        self.assertIn(b"passed", client.makefile("rb").read())
                    self.assertEqual(server.terminate(), 0, server.tail())
            self.assertTrue(os.path.exists(path), "the file is the manager's")


if __name__ == "__main__":
    unittest.main()
