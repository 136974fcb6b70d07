"""Clients that people use, over every protocol that they speak: curl, nghttp, h2load, httpx, node,
websockets and a browser, in front of one service, through cleartext and through TLS."""

import asyncio
import hashlib
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import threading
import unittest

import httpx
import websockets

import harness
import peers
import pki

SIZE = 3 * 1024 * 1024
UPLOAD = bytes(range(256)) * (SIZE // 256)
LINE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n"
DOWNLOAD = LINE * (SIZE // len(LINE))

NODE_HTTP2 = '''
const http2 = require("http2"), crypto = require("crypto");
const [url, ca] = process.argv.slice(1);
const session = http2.connect(url, ca ? { ca: require("fs").readFileSync(ca) } : {});
session.on("error", (error) => { console.error(error); process.exit(1); });
const ask = (headers, body) => new Promise((resolve, reject) => {
  const stream = session.request(headers);
  const hash = crypto.createHash("sha256");
  let status, trailers = {};
  stream.on("response", (fields) => { status = fields[":status"]; });
  stream.on("trailers", (fields) => { trailers = fields; });
  stream.on("data", (piece) => hash.update(piece));
  stream.on("error", reject);
  stream.on("end", () => resolve({ status, sum: hash.digest("hex"), trailer: trailers["x-sum"] }));
  stream.end(body);
});
(async () => {
  const all = [];
  for (let i = 0; i < 20; i++) all.push(ask({ ":path": "/bytes?n=SIZE" }));
  for (let i = 0; i < 5; i++)
    all.push(ask({ ":path": "/service/upload", ":method": "POST" }, Buffer.alloc(1000000, "x")));
  all.push(ask({ ":path": "/service/trailers", "te": "trailers" }));
  console.log(JSON.stringify(await Promise.all(all)));
  session.close();
})();
'''.replace("SIZE", str(SIZE))

NODE_HTTP1 = '''
const [url, ca] = process.argv.slice(1);
const http = require(url.startsWith("https") ? "https" : "http");
const agent = new http.Agent({ keepAlive: true, maxSockets: 2,
                               ca: ca && require("fs").readFileSync(ca) });
const ask = (path) => new Promise((resolve, reject) => {
  http.get(url + path, { agent }, (response) => {
    let size = 0;
    response.on("data", (piece) => { size += piece.length; });
    response.on("end", () => resolve([response.statusCode, size]));
  }).on("error", reject);
});
(async () => {
  const all = [];
  for (let i = 0; i < 20; i++) all.push(ask("/bytes?n=100000"));
  console.log(JSON.stringify(await Promise.all(all)));
  agent.destroy();
})();
'''

PAGE = b"""<!DOCTYPE html><title>page</title><body><script>
const say = (text) => { const p = document.createElement("p"); p.textContent = text;
                        document.body.append(p); };
(async () => {
  const answers = await Promise.all([...Array(20).keys()].map(
      async (n) => (await fetch("/service/echo?" + n)).text()));
  say("answers " + answers.every((text, n) => text == "/service/echo?" + n));
  const posted = await fetch("/service/upload", { method: "POST", body: "x".repeat(100000) });
  say("posted " + (await posted.text()).slice(0, 8));
  say("protocol " + performance.getEntriesByType("navigation")[0].nextHopProtocol);
  document.title = "done";
})();
</script>"""


def digest(data):
    return hashlib.sha256(data).hexdigest()


def answer(request):
    path = request.target.partition("?")[0]
    if path == "/service/page":
        body, kind = PAGE, b"text/html"
    elif path == "/service/upload":
        body, kind = digest(request.body).encode(), b"text/plain"
    elif path == "/service/trailers":
        return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                b"5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n")
    else:
        body, kind = request.target.encode(), b"text/plain"
    return (b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
            % (kind, len(body)) + body)


class Clients:
    """What every client does; the subclasses say over what."""

    tls = False

    @classmethod
    def setUpClass(cls):
        cls.backend = peers.Backend(answer)
        cls.addClassCleanup(cls.backend.stop)
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        (cls.directory / "upload").write_bytes(UPLOAD)
        cls.server = cls.enterClassContext(harness.Millrace(cls.listen() + f'''
            [upstream.service]
            targets = ["{cls.backend.url}"]
            [[route]]
            match = {{ path = "/service/*" }}
            upstream = "service"
            [[route]]
            match = {{ path = "/*" }}
            endpoint = "tools"
            [log]
            access = "off"
        '''))
        cls.url = f"{'https' if cls.tls else 'http'}://localhost:{cls.server.port}"

    @classmethod
    def listen(cls):
        return '[server]\nlisten = ["127.0.0.1:0"]\n'

    def run_tool(self, *command):
        if shutil.which(command[0]) is None:
            self.skipTest(f"{command[0]} is missing")
        done = subprocess.run(list(map(str, command)), capture_output=True, check=False,
                              timeout=harness.DEADLINE_S)
        self.assertEqual(done.returncode, 0, (done.stdout[-2000:], done.stderr[-2000:]))
        return done.stdout

    # -- curl -------------------------------------------------------------------------------------

    def curl(self, *arguments):
        trust = ["--cacert", self.authority.certificate] if self.tls else []
        return self.run_tool("curl", "-sS", "-4", *trust, *arguments)

    def curl_everything(self, *protocol, version):
        said = self.curl(*protocol, "-w", "%{http_version} %{http_code}", self.url + "/bytes?n=5")
        self.assertEqual(said, LINE[:5] + f"{version} 200".encode())
        self.assertEqual(digest(self.curl(*protocol, self.url + f"/bytes?n={SIZE}")),
                         digest(DOWNLOAD))
        for how in (("--data-binary", f"@{self.directory}/upload"),
                    ("-T", self.directory / "upload"),
                    ("-T", self.directory / "upload", "-H", "Transfer-Encoding: chunked"),
                    ("--data-binary", f"@{self.directory}/upload", "-H", "Expect: 100-continue")):
            if version == 2 and "Transfer-Encoding: chunked" in how:
                continue
            with self.subTest(how):
                self.assertEqual(self.curl(*protocol, *how, self.url + "/service/upload").decode(),
                                 digest(UPLOAD))
        head = self.curl(*protocol, "-I", self.url + "/bytes?n=5")
        self.assertIn(b"content-length: 5", head.lower())
        if "--http2-prior-knowledge" in protocol:
            return  # curl 7.88 breaks off when it does that to several at once, whoever serves
        many = self.curl(*protocol, "-Z", "--parallel-max", "20",
                         self.url + "/service/echo?[1-40]")
        self.assertEqual(many.count(b"/service/echo?"), 40)

    def test_curl_with_http_1(self):
        self.curl_everything("--http1.1", version=1.1)

    # -- nghttp2's tools --------------------------------------------------------------------------

    def test_nghttp(self):
        self.assertEqual(digest(self.run_tool("nghttp", self.url + f"/bytes?n={SIZE}")),
                         digest(DOWNLOAD))
        for more in ((), ("--expect-continue",), ("--padding=100",), ("--no-content-length",),
                     ("--trailer=x-sum: 1",), ("-w", "20", "-W", "20"),
                     ("--max-concurrent-streams", "1")):
            with self.subTest(more):
                said = self.run_tool("nghttp", *more, "-d", self.directory / "upload",
                                     self.url + "/service/upload")
                self.assertEqual(said.decode(), digest(UPLOAD))

    def test_h2load(self):
        for path, options in (("/service/echo", ("-n", 2000, "-c", 4, "-m", 32)),
                              ("/bytes?n=100000", ("-n", 200, "-c", 2, "-m", 10)),
                              ("/service/upload", ("-n", 20, "-c", 2, "-m", 4,
                                                   "-d", self.directory / "upload"))):
            with self.subTest(path):
                said = self.run_tool("h2load", *options, self.url + path).decode()
                count = options[1]
                self.assertIn(f"{count} succeeded, 0 failed, 0 errored, 0 timeout", said)
                self.assertIn(f"status codes: {count} 2xx", said)

    # -- Python -----------------------------------------------------------------------------------

    def httpx_options(self):
        return {"verify": ssl.create_default_context(cafile=self.authority.certificate)
                } if self.tls else {}

    def test_httpx(self):
        for http2 in (False, True):
            with self.subTest(http2=http2), httpx.Client(
                    http1=not http2, http2=http2, timeout=harness.DEADLINE_S,
                    **self.httpx_options()) as client:
                response = client.get(self.url + f"/bytes?n={SIZE}")
                self.assertEqual(response.http_version, "HTTP/2" if http2 else "HTTP/1.1")
                self.assertEqual(digest(response.content), digest(DOWNLOAD))
                for body in (UPLOAD, iter([UPLOAD[:100], UPLOAD[100:]])):
                    response = client.post(self.url + "/service/upload", content=body)
                    self.assertEqual(response.text, digest(UPLOAD))
                self.assertEqual(client.head(self.url + "/bytes?n=5").headers["content-length"],
                                 "5")

    def test_httpx_with_many_at_once(self):
        async def ask(client, number):
            response = await client.get(self.url + f"/service/echo?{number}")
            self.assertEqual(response.text, f"/service/echo?{number}")

        async def ask_all():
            async with httpx.AsyncClient(http1=False, http2=True, timeout=harness.DEADLINE_S,
                                         **self.httpx_options()) as client:
                await asyncio.gather(*(ask(client, number) for number in range(90)))

        asyncio.run(ask_all())

    def test_websockets(self):
        async def talk(address):
            trust = ssl.create_default_context(
                cafile=self.authority.certificate) if self.tls else None
            async with websockets.connect(address, ssl=trust) as socket:
                for message in ("hello", b"\0" * 100_000):
                    await socket.send(message)
                    self.assertEqual(await socket.recv(), message)

        async def echo(socket, _path):
            async for message in socket:
                await socket.send(message)

        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        self.addCleanup(loop.call_soon_threadsafe, loop.stop)

        async def listen():
            return await websockets.serve(echo, "127.0.0.1", 0)

        service = asyncio.run_coroutine_threadsafe(listen(), loop).result(harness.DEADLINE_S)
        port = service.sockets[0].getsockname()[1]
        with harness.Millrace(self.listen() + f'''
                [upstream.service]
                targets = ["http://127.0.0.1:{port}"]
                [[route]]
                match = {{ path = "/*" }}
                upstream = "service"
                ''') as server:
            asyncio.run(talk(f"{'wss' if self.tls else 'ws'}://localhost:{server.port}/"))

    # -- node -------------------------------------------------------------------------------------

    def node(self, script):
        trust = [self.authority.certificate] if self.tls else []
        return json.loads(self.run_tool("node", "--dns-result-order=ipv4first", "-e", script, "--",
                                        self.url, *trust))

    def test_node_s_http2(self):
        answers = self.node(NODE_HTTP2)
        self.assertEqual([a["status"] for a in answers], [200] * 26)
        self.assertEqual({a["sum"] for a in answers[:20]}, {digest(DOWNLOAD)})
        self.assertEqual({a["sum"] for a in answers[20:25]},
                         {digest(digest(b"x" * 1_000_000).encode())})
        self.assertEqual((answers[25]["sum"], answers[25]["trailer"]), (digest(b"hello"), "7"))

    def test_node_s_http(self):
        self.assertEqual(self.node(NODE_HTTP1), [[200, 100_000]] * 20)


class Cleartext(Clients, unittest.TestCase):
    def test_curl_with_prior_knowledge(self):
        self.curl_everything("--http2-prior-knowledge", version=2)

    def test_curl_with_http_1_0(self):
        said = self.curl("--http1.0", "-w", "%{http_code}", self.url + "/bytes?n=5")
        self.assertEqual(said, LINE[:5] + b"200")

    def test_curl_that_asks_to_upgrade_stays_with_http_1(self):
        said = self.curl("--http2", "-w", "%{http_version}", self.url + "/bytes?n=5")
        self.assertEqual(said, LINE[:5] + b"1.1")


class Tls(Clients, unittest.TestCase):
    tls = True

    @classmethod
    def setUpClass(cls):
        cls.authority = cls.enterClassContext(pki.Authority())
        cls.identity = cls.authority.issue(names="localhost,127.0.0.1", subject="localhost")
        super().setUpClass()

    @classmethod
    def listen(cls):
        return ('[server]\nlisten = []\n[[server.tls]]\nlisten = ["127.0.0.1:0"]\n'
                f'certificates = [{cls.identity.entry()}]\n')

    def test_curl_with_alpn(self):
        self.curl_everything("--http2", version=2)

    def test_a_browser(self):
        browser = os.environ.get("MILLRACE_CHROMIUM") or next(
            (path for name in ("chromium", "chromium-browser", "google-chrome")
             if (path := shutil.which(name))), None)
        if browser is None:
            self.skipTest("no browser: apt install chromium, or set MILLRACE_CHROMIUM")
        page = self.run_tool(
            browser, "--headless", "--disable-gpu", "--no-sandbox", "--disable-dev-shm-usage",
            f"--user-data-dir={self.directory}/profile", "--ignore-certificate-errors",
            "--no-first-run", "--disable-background-networking", "--virtual-time-budget=10000",
            "--dump-dom", self.url + "/service/page").decode()
        self.assertIn("<p>answers true</p>", page)
        self.assertIn(f"<p>posted {digest(b'x' * 100_000)[:8]}</p>", page)
        self.assertIn("<p>protocol h2</p>", page)


if __name__ == "__main__":
    unittest.main()
