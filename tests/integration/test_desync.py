"""Request smuggling in front of servers that people use: after every attack, over HTTP/1.1 and
HTTP/2, the connections behind us must still be in step. Judged by the backends' own logs of what
they saw."""

import collections
import pathlib
import shutil
import socket
import tempfile
import unittest

from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, RstStreamFrame

import h2client
import harness
import peers
import test_gate
import test_http2_attacks
from h2client import literals
from test_gate import CHUNKED, FIVE, SMUGGLED, get, post

MARK = "saw "
# What node says of a body that ends with its connection, as an aborted one must.
ABORTED = {"bad HPE_INVALID_EOF_STATE", "bad ECONNRESET"}

UVICORN = '''
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    target = scope["raw_path"].decode("latin-1")
    print("saw " + target, flush=True)
    size = 0
    if not target.startswith("/early"):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": target.encode()})
'''

NODE = '''
const server = require("http").createServer((request, response) => {
  console.log("saw " + request.url);
  if (request.url.startsWith("/early")) { response.end(request.url); return; }
  request.on("data", () => {});
  request.on("end", () => response.end(request.url));
});
server.on("clientError", (error, socket) => {
  console.log("bad " + error.code);
  socket.destroy();
});
server.listen(0, "127.0.0.1", () => console.log("port " + server.address().port));
'''

NGINX = '''
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ }}
http {{
    client_body_temp_path {directory}; proxy_temp_path {directory};
    fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
    log_format seen 'saw $request_uri';
    access_log {directory}/seen.log seen;
    server {{ listen 127.0.0.1:{port}; keepalive_requests 100000;
              location / {{ return 200 "$request_uri"; }} }}
}}
'''

# What passes the gate and is odd all the same: framed anew, it must stay one request.
PASSING = {
    "GET with a body": get(fields=(b"Host: a", b"Content-Length: 34")) + SMUGGLED[:34],
    "HEAD with a body": get(fields=(b"Host: a", FIVE), method=b"HEAD") + b"hello",
    "DELETE with chunks": get(fields=(b"Host: a", CHUNKED), method=b"DELETE")
    + b"5;x=y\r\nhello\r\n0;z\r\nX: y\r\n\r\n",
    "OPTIONS with a body": get(fields=(b"Host: a", FIVE), method=b"OPTIONS") + b"hello",
    "trailers": post(CHUNKED, body=b"5\r\nhello\r\n0\r\nContent-Length: 9\r\nX: y\r\n\r\n"),
    "upper case chunked": post(b"TRANSFER-ENCODING: CHUNKED", body=b"A\r\n0123456789\r\n0\r\n\r\n"),
    "length with zeros": post(b"Content-Length: 0005", body=b"hello"),
    "empty body of length 0": post(b"Content-Length: 0", body=b""),
    "no length at all": post(body=b""),
    "body that is a request": post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
    "chunks that are requests": post(CHUNKED, body=b"%x\r\n" % len(SMUGGLED) + SMUGGLED
                                     + b"\r\n0\r\n\r\n"),
    "connection names the framing": post(b"Connection: Content-Length, Transfer-Encoding", FIVE,
                                         body=b"hello"),
    "expectation": post(b"Expect: 100-continue", FIVE, body=b"hello"),
    "expectation on GET": get(fields=(b"Host: a", b"Expect: 100-continue")),
    "expectation with nothing": post(b"Expect: 100-continue", b"Content-Length: 0", body=b""),
    "absolute form": get(b"http://b/attack"),
    "HTTP/1.0": get(version=b"HTTP/1.0"),
    "HTTP/1.0 with keep-alive": get(fields=(b"Host: a", b"Connection: keep-alive"),
                                    version=b"HTTP/1.0"),
    "upgrade to h2c": get(fields=(b"Host: a", b"Connection: Upgrade, HTTP2-Settings",
                                  b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")),
    "upgrade to websocket": get(fields=(b"Host: a", b"Connection: Upgrade", b"Upgrade: websocket",
                                        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                                        b"Sec-WebSocket-Version: 13")),
    "early answer, length": get(b"/early", (b"Host: a", b"Content-Length: 300000"), method=b"POST")
    + b"x" * 1000,
    "early answer, chunks": get(b"/early", (b"Host: a", CHUNKED), method=b"POST")
    + b"5\r\nhello\r\n" + b"ff\r\n" + SMUGGLED,
    "half a length": post(b"Content-Length: 500", body=b"GET /half HTTP/1.1\r\nX: "),
    "half a chunk": post(CHUNKED, body=b"ff\r\nGET /half HTTP/1.1\r\nX: "),
    "no last chunk": post(CHUNKED, body=b"5\r\nhello\r\n"),
    **{f"framing {k}": post(v, CHUNKED) for k, v in enumerate((b"X: chunked", b"TE: trailers"))},
}


class InStep:
    """The matrix; the subclasses say which backend."""

    @classmethod
    def setUpClass(cls):
        cls.backend = cls.enterClassContext(cls.start())
        cls.server = cls.enterClassContext(harness.Millrace(f'''
            [server]
            listen = ["127.0.0.1:0"]
            threads = 1
            [upstream.backend]
            targets = ["http://127.0.0.1:{cls.backend.port}"]
            [[route]]
            match = {{ path = "/*" }}
            upstream = "backend"
            [log]
            access = "off"
        '''))
        cls.probes = []

    def probe(self):
        """Several at once, so that every idle connection is asked: each gets its own answer."""
        clients = [self.server.client() for _ in range(3)]
        targets = []
        for client in clients:
            target = f"/probe/{len(self.probes)}"
            self.probes.append(target)
            targets.append(target)
            client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for client, target in zip(clients, targets, strict=True):
            with client:
                response = client.receive_response()
                self.assertEqual((response.status, response.body.decode()), (200, target))

    def seen(self):
        return [line[len(MARK):] for line in self.backend.lines() if line.startswith(MARK)]

    def assert_in_step(self):
        """The backend saw each probe once, and of the attacks nothing that was hidden in them."""
        harness.wait_until(lambda: set(self.probes) <= set(self.seen()), what="the probes' lines")
        seen = collections.Counter(self.seen())
        for target in self.probes:
            self.assertEqual(seen.pop(target, 0), 1, target)
        self.assertLessEqual(set(seen), {"/attack", "/early"})
        bad = {line for line in self.backend.lines() if line.startswith("bad ")}
        self.assertLessEqual(bad, ABORTED)

    def http1(self, name, data):
        with self.subTest(name):
            with self.server.client() as client:
                try:
                    client.send(data)
                    client.finish_sending()
                    client.receive_all()
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the rest was not wanted
            self.probe()

    def test_heads_over_http_1(self):
        for name, (data, _) in test_gate.HEADS.items():
            self.http1(name, data + SMUGGLED)
        self.assert_in_step()

    def test_bodies_over_http_1(self):
        for name, body in test_gate.BODIES.items():
            self.http1(name, post(CHUNKED, body=body) + SMUGGLED)
        self.assert_in_step()

    def test_what_passes_over_http_1(self):
        for name, data in PASSING.items():
            self.http1(name, data)
        self.assert_in_step()

    def test_heads_over_http_2(self):
        for name, fields in test_http2_attacks.HEADS.items():
            with self.subTest(name):
                with h2client.Connection(self.server) as client:
                    block = literals(fields)
                    stream_id = client.new_id()
                    pieces = [block[i : i + 16384] for i in range(0, len(block), 16384)]
                    frames = [client.headers_frame(stream_id, pieces[0], flags=())]
                    frames += [ContinuationFrame(stream_id, piece) for piece in pieces[1:]]
                    frames[-1].flags.add("END_HEADERS")
                    client.send(*frames)
                    client.run_to_end_or(lambda c=client, s=stream_id: c.streams[s].over)
                self.probe()
        self.assert_in_step()

    def test_bodies_over_http_2(self):
        end = ["END_STREAM"]
        five = [("content-length", "5")]
        trailer = ["END_HEADERS", "END_STREAM"]
        for name, path, fields, frames in (
                ("less than the length", "/attack", five, [DataFrame(1, b"hell", flags=end)]),
                ("more than the length", "/attack", five, [DataFrame(1, b"hello!", flags=end)]),
                ("a request behind the length", "/attack", five,
                 [DataFrame(1, b"hello"), DataFrame(1, SMUGGLED, flags=end)]),
                ("a request as the body", "/attack", [], [DataFrame(1, SMUGGLED, flags=end)]),
                ("chunks as the body", "/attack", [],
                 [DataFrame(1, b"0\r\n\r\n" + SMUGGLED, flags=end)]),
                ("reset in mid-body", "/attack", [],
                 [DataFrame(1, b"0\r\n\r\n" + SMUGGLED), RstStreamFrame(1, h2client.CANCEL)]),
                ("reset in mid-length", "/attack", [("content-length", "5000")],
                 [DataFrame(1, SMUGGLED), RstStreamFrame(1, h2client.CANCEL)]),
                ("early answer", "/early", [], [DataFrame(1, SMUGGLED)]),
                ("early answer, length", "/early", [("content-length", "5000000")],
                 [DataFrame(1, SMUGGLED)]),
                ("trailers with framing", "/attack", [], [DataFrame(1, b"x"), HeadersFrame(
                    1, literals([(b"transfer-encoding", b"chunked")]), flags=trailer)]),
                ("trailers with a line end", "/attack", [], [DataFrame(1, b"x"), HeadersFrame(
                    1, literals([(b"x", b"\r\n\r\n" + SMUGGLED)]), flags=trailer)])):
            with self.subTest(name):
                with h2client.Connection(self.server) as client:
                    client.request("POST", path, fields, end_stream=False)
                    client.send(*frames)
                    client.ping()
                    if not any(isinstance(f, RstStreamFrame) for f in frames):
                        client.answer(1)
                self.probe()
        self.assert_in_step()


class Server(harness.Process):
    """A backend whose output is its log."""

    def lines(self):
        return list(self.log)


class Nginx(InStep, unittest.TestCase):
    @classmethod
    def start(cls):
        if (nginx := peers.find_tool("nginx")) is None:
            raise unittest.SkipTest("nginx is missing: scripts/setup unpacks it")
        directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-test-"))
        cls.addClassCleanup(shutil.rmtree, directory, ignore_errors=True)
        port = harness.free_port()
        (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=port))
        server = Server([nginx, "-p", str(directory), "-e", "stderr", "-c",
                         str(directory / "nginx.conf")], "nginx")
        server.port = port
        server.lines = lambda: (directory / "seen.log").read_text().splitlines()
        harness.wait_until(lambda: accepts(port), what="nginx to listen")
        return server


class Uvicorn(InStep, unittest.TestCase):
    @classmethod
    def start(cls):
        server = peers.uvicorn(UVICORN)
        server.lines = lambda: list(server.log)
        return server


class Node(InStep, unittest.TestCase):
    @classmethod
    def start(cls):
        if (node := shutil.which("node")) is None:
            raise unittest.SkipTest("node is missing: apt install nodejs")
        server = Server([node, "-e", NODE], "node")
        server.port = int(harness.wait_until(
            lambda: [line for line in server.log if line.startswith("port ")],
            what="node to listen")[0].split()[1])
        return server


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    unittest.main()
