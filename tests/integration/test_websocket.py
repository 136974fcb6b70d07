"""WebSockets and other tunnels: through HTTP/1.1's Upgrade and HTTP/2's extended CONNECT (RFC
8441), to Debian's python3-websockets and to backends that do everything wrong."""

import asyncio
import base64
import contextlib
import hashlib
import signal
import threading
import time
import unittest

import websockets
import wsproto.connection
import wsproto.events
from hyperframe.frame import DataFrame, RstStreamFrame, SettingsFrame

import h2client
import harness
from test_proxy import CANNED, ProxyTest, config

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CANCEL_S = 10.0  # promised is a second; a busy machine has its own time, a broken server takes 60
MIB = 1024 * 1024


def accept_for(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def switching(head, *fields, accept=None):
    """The 101 that belongs to this request head."""
    key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")
               if line.lower().startswith(b"sec-websocket-key:"))
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade",
             b"Sec-WebSocket-Accept: " + (accept or accept_for(key)), *fields, b"", b""]
    return b"\r\n".join(lines)


class WebSocketServer:
    """python3-websockets on a thread of its own: echoes, and does what some messages say."""

    def __init__(self):
        self.paths, self.closed = [], []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(
            harness.DEADLINE_S)
        self.url = "http://127.0.0.1:%d" % self._server.sockets[0].getsockname()[1]

    async def _start(self):
        return await websockets.serve(self._serve, "127.0.0.1", 0, max_size=64 * MIB,
                                      subprotocols=["chat"])

    async def _serve(self, socket, path):
        self.paths.append(path)
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in socket:
                await self._answer(socket, message)
        self.closed.append((socket.close_code, socket.close_reason))

    @staticmethod
    async def _answer(socket, message):
        if message == "close":
            await socket.close(4001, "as you say")
        elif message == "ping":
            await (await socket.ping(b"are you there?"))
            await socket.send("pong came")
        elif message == "pieces":
            await socket.send(iter(["one ", "two ", "three"]))
        else:
            await socket.send(message)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        async def stop():
            self._server.close()
            await self._server.wait_closed()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(harness.DEADLINE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)


class ThroughHttp1(unittest.IsolatedAsyncioTestCase):
    """websockets on both ends."""

    def setUp(self):
        self.backend = self.enterContext(WebSocketServer())
        self.server = self.enterContext(harness.Millrace(config([self.backend.url])))

    async def asyncSetUp(self):
        asyncio.get_running_loop().slow_callback_duration = harness.DEADLINE_S  # no chatter

    def connect(self, path="/", **options):
        return websockets.connect(f"ws://{self.server.address}{path}", max_size=64 * MIB, **options)

    async def test_messages_come_back(self):
        async with self.connect("/path?query") as socket:
            for message in ("text", "größer", "", b"\0\xff", "x" * 126, b"y" * 70_000):
                await socket.send(message)
                self.assertEqual(await socket.recv(), message)
        self.assertEqual(self.backend.paths, ["/path?query"])

    async def test_large_messages_both_ways_at_once(self):
        messages = [bytes([n]) * (4 * MIB) for n in range(4)]
        async with self.connect(compression=None) as socket:
            async def send():
                for message in messages:
                    await socket.send(message)

            sending = asyncio.create_task(send())
            for message in messages:
                received = await socket.recv()
                self.assertEqual(hashlib.sha256(received).digest(),
                                 hashlib.sha256(message).digest())
            await sending

    async def test_fragmented_messages(self):
        async with self.connect() as socket:
            await socket.send(iter([b"one ", b"two ", b"three"]))
            self.assertEqual(await socket.recv(), b"one two three")
            await socket.send("pieces")
            self.assertEqual(await socket.recv(), "one two three")

    async def test_pings_both_ways(self):
        async with self.connect() as socket:
            await asyncio.wait_for(await socket.ping(b"hello"), harness.DEADLINE_S)
            await socket.send("ping")
            self.assertEqual(await socket.recv(), "pong came")

    async def test_the_client_closes(self):
        async with self.connect() as socket:
            await socket.close(4002, "enough")
        harness.wait_until(lambda: self.backend.closed, what="the close at the server")
        self.assertEqual(self.backend.closed, [(4002, "enough")])
        self.assertEqual(socket.close_code, 4002)

    async def test_the_server_closes(self):
        async with self.connect() as socket:
            await socket.send("close")
            with self.assertRaises(websockets.ConnectionClosed):
                await socket.recv()
            self.assertEqual((socket.close_code, socket.close_reason), (4001, "as you say"))

    async def test_protocols_and_extensions_are_agreed_on_end_to_end(self):
        async with self.connect(subprotocols=["other", "chat"]) as socket:
            self.assertEqual(socket.subprotocol, "chat")
            self.assertEqual([e.name for e in socket.extensions], ["permessage-deflate"])

    async def test_many_at_once_beside_plain_requests(self):
        async def talk(number):
            async with self.connect(f"/{number}") as socket:
                for n in range(20):
                    await socket.send(f"{number}:{n}")
                    self.assertEqual(await socket.recv(), f"{number}:{n}")

        await asyncio.gather(*(talk(number) for number in range(20)))
        self.assertEqual(len(self.backend.paths), 20)

    async def test_the_access_log_has_a_line_for_it(self):
        async with self.connect() as socket:
            await socket.send("hello")
            await socket.recv()
        access = harness.wait_until(lambda: self.server.events("access"), what="the access log")
        self.assertEqual((access[0]["status"], access[0].get("cause")), (101, None))


class H2WebSocket:
    """A WebSocket on one stream of an HTTP/2 connection."""

    def __init__(self, client, path="/", fields=()):
        self.client = client
        client.until(lambda: client.settings, "SETTINGS")
        assert client.settings.get(SettingsFrame.ENABLE_CONNECT_PROTOCOL) == 1
        self.id = client.new_id()
        block = client.encoder.encode([
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
            (":path", path), (":authority", client.authority),
            ("sec-websocket-version", "13"), *fields])
        client.send(client.headers_frame(self.id, block, end_stream=False))
        self.stream = client.streams[self.id]
        self.codec = wsproto.connection.Connection(wsproto.connection.ConnectionType.CLIENT)
        self._taken = 0

    def opened(self):
        self.client.until(lambda: self.stream.headers is not None or self.stream.over, "the answer")
        return self.stream.status

    def send(self, event):
        self.client.data(self.id, self.codec.send(event))

    def receive(self):
        """Events until a message, a pong or a close is complete: that one, with all its text."""
        whole = b""
        while True:
            self.client.until(lambda: len(self.stream.body) > self._taken or self.stream.over)
            self.codec.receive_data(bytes(self.stream.body[self._taken :]))
            self._taken = len(self.stream.body)
            for event in self.codec.events():
                data = getattr(event, "data", b"")
                whole += data.encode() if isinstance(data, str) else bytes(data)
                if getattr(event, "message_finished", True):
                    return event, whole


class ThroughHttp2(unittest.TestCase):
    """An extended CONNECT in front of a backend that knows HTTP/1.1 alone."""

    def setUp(self):
        self.backend = self.enterContext(WebSocketServer())
        self.server = self.enterContext(harness.Millrace(config([self.backend.url])))
        self.client = self.enterContext(h2client.Connection(self.server))

    def test_messages_come_back(self):
        socket = H2WebSocket(self.client, "/path?query", [("sec-websocket-protocol", "chat")])
        self.assertEqual(socket.opened(), 200)
        self.assertEqual(socket.stream.header("sec-websocket-protocol"), "chat")
        self.assertIsNone(socket.stream.header("sec-websocket-accept"))
        self.assertFalse({"upgrade", "connection", "content-length", "transfer-encoding"}
                         & {name for name, _ in socket.stream.headers})
        for text in ("hello", "x" * 200_000, "größer"):
            socket.send(wsproto.events.TextMessage(text))
            self.assertEqual(socket.receive()[1], text.encode())
        socket.send(wsproto.events.Ping(b"there?"))
        self.assertIsInstance(socket.receive()[0], wsproto.events.Pong)
        self.assertEqual(self.backend.paths, ["/path?query"])

    def test_both_close(self):
        for message, code in ((wsproto.events.TextMessage("close"), 4001),
                              (wsproto.events.CloseConnection(4002, "enough"), 4002)):
            with self.subTest(code):
                socket = H2WebSocket(self.client)
                self.assertEqual(socket.opened(), 200)
                socket.send(message)
                event, _ = socket.receive()
                self.assertIsInstance(event, wsproto.events.CloseConnection)
                self.assertEqual(event.code, code)
                if code == 4001:
                    socket.send(event.response())
                self.client.until(lambda: socket.stream.ended, "END_STREAM")
                self.assertIn(socket.stream.reset, (None, h2client.NO_ERROR))

    def test_many_beside_plain_requests(self):
        sockets = [H2WebSocket(self.client, f"/{n}") for n in range(20)]
        for number, socket in enumerate(sockets):
            self.assertEqual(socket.opened(), 200)
            socket.send(wsproto.events.TextMessage(f"hello {number}"))
        # Not a WebSocket: the server says so.
        self.assertEqual(self.client.get("/").status, 426)
        for number, socket in enumerate(sockets):
            self.assertEqual(socket.receive()[1], f"hello {number}".encode())

    def test_large_messages_both_ways(self):
        socket = H2WebSocket(self.client)
        self.assertEqual(socket.opened(), 200)
        data = bytes(range(256)) * (4 * MIB // 256)
        socket.send(wsproto.events.BytesMessage(data))
        self.assertEqual(hashlib.sha256(socket.receive()[1]).digest(),
                         hashlib.sha256(data).digest())


class TunnelTest(ProxyTest):
    """Backends made by hand."""

    def upgrade(self, *fields, path="/"):
        return self.head("GET", path, "Connection: Upgrade", "Upgrade: websocket",
                         f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", *fields)

    def h2(self):
        return self.enterContext(h2client.Connection(self.server))

    def start_tunnel(self, then=lambda connection: connection.wait_for_close(), **keys):
        """A backend that opens every tunnel, then plays `then`; plain requests get CANNED."""

        def play(connection):
            while (head := connection._until(b"\r\n\r\n")) is not None:
                if b"pgrade: " not in head:
                    connection.send(CANNED)
                    continue
                connection.send(switching(head))
                then(connection)
                return

        self.start(on_connection=play, **keys)


class Refusals(TunnelTest):
    def test_other_answers_pass_and_open_nothing(self):
        for status in (b"200 OK", b"403 Forbidden", b"426 Upgrade Required", b"302 Found"):
            with self.subTest(status):
                answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno"
                self.start(answer)
                with self.server.client() as client:
                    client.send(self.upgrade() + "EARLY BYTES")
                    response = client.receive_response()
                    self.assertEqual((response.status, response.body), (int(status[:3]), b"no"))
                    self.assertTrue(client.is_closed())
                client = self.h2()
                socket = H2WebSocket(client)
                client.send(DataFrame(socket.id, b"EARLY BYTES"))
                client.answer(socket.id)
                # 2xx would say that there is a tunnel.
                expected = 501 if status.startswith(b"2") else int(status[:3])
                self.assertEqual(socket.stream.status, expected)
                self.assertNotIn(b"EARLY", self.backend.received_bytes)

    def test_an_unproven_101_opens_nothing(self):
        for name, make in {
                "wrong accept": lambda head: switching(head, accept=b"wrong"),
                "accept of another key": lambda head: switching(head, accept=accept_for(b"x")),
                "no accept": lambda head: switching(head).replace(b"Sec-WebSocket-Accept", b"X"),
                "no upgrade": lambda head: switching(head).replace(b"Upgrade: websocket", b"X: y"),
                "another protocol": lambda head: switching(head).replace(b"websocket", b"other"),
                "no connection": lambda head: switching(head).replace(b"Connection", b"X"),
        }.items():
            with self.subTest(name):
                def play(connection):
                    head = connection._until(b"\r\n\r\n")
                    connection.send(make(head) + b"TUNNELLED")
                    connection.wait_for_close()

                self.start(on_connection=play)
                with self.server.client() as client:
                    client.send(self.upgrade() + "EARLY BYTES")
                    response = client.receive_response()
                    self.assertEqual(response.status, 502)
                    self.assertNotIn(b"TUNNELLED", response.head + response.body)
                    self.assertTrue(client.is_closed())
                socket = H2WebSocket(self.h2())
                self.assertEqual(socket.opened(), 502)
                socket.client.answer(socket.id)
                self.assertNotIn(b"TUNNELLED", socket.stream.body)
                self.assertNotIn(b"EARLY", self.backend.received_bytes)

    def test_a_101_that_nobody_asked_for(self):
        self.start(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   b"Connection: Upgrade\r\n\r\n" + CANNED)
        self.assert_problem(self.get(), 502, "upstream_bad_message")
        self.assertEqual(self.h2().get().status, 502)

    def test_an_upgrade_with_a_body_is_a_request(self):
        self.start()
        with self.server.client() as client:
            for method in ("POST", "GET"):
                response = client.request(self.head(
                    method, "/", "Connection: Upgrade", "Upgrade: websocket",
                    f"Sec-WebSocket-Key: {KEY}", "Content-Length: 5") + "hello")
                self.assertEqual((response.status, response.body), (200, b"hello"))
                received = self.backend.requests[-1]
                self.assertEqual((received.body, received.all("upgrade")), (b"hello", []))
                self.assertNotIn("upgrade", (received.header("connection") or "").lower())

    def test_no_tunnel_where_no_upstream_is(self):
        self.server = self.enterContext(harness.Millrace(""))
        with self.server.client() as client:
            response = client.request(self.upgrade(path="/bytes?n=5"))
            self.assertEqual((response.status, len(response.body)), (200, 5))
        socket = H2WebSocket(self.h2(), "/bytes?n=5")
        self.assertEqual(socket.opened(), 501)


class Tunnels(TunnelTest):
    def test_early_bytes_wait_for_the_answer(self):
        seen, may_answer = [], threading.Event()

        def play(connection):
            head = connection._until(b"\r\n\r\n")
            may_answer.wait(harness.DEADLINE_S)
            connection.socket.settimeout(0)
            try:
                seen.append(connection.socket.recv(100))
            except BlockingIOError:
                seen.append(None)
            connection.socket.settimeout(harness.DEADLINE_S)
            self.assertEqual(connection.bytes, head)
            connection.send(switching(head))
            connection._until(b"EARLY BYTES")
            connection.send(b"got them")
            connection.wait_for_close()

        self.start(on_connection=play)
        with self.server.client() as client:
            client.send(self.upgrade() + "EARLY ")
            harness.wait_until(lambda: b"\r\n\r\n" in self.backend.received_bytes, what="the head")
            client.send("BYTES")
            self.get_admin()  # a round trip: what would go out has gone out
            may_answer.set()
            self.assertEqual(client.receive_response().status, 101)
            self.assertEqual(client.receive_exactly(8), b"got them")
        may_answer.clear()
        socket = H2WebSocket(self.h2())
        socket.client.send(DataFrame(socket.id, b"EARLY BYTES"))
        harness.wait_until(lambda: len(self.backend.connections) == 2
                           and b"\r\n\r\n" in self.backend.connections[1].bytes, what="the head")
        socket.client.ping()
        may_answer.set()
        socket.client.until(lambda: socket.stream.body == b"got them", "the echo")
        self.assertEqual(seen, [None, None])

    def get_admin(self):
        self.assertEqual(harness.get(self.server.admin + "/readyz").status, 200)

    def test_other_protocols_are_tunnelled_too(self):
        def play(connection):
            connection._until(b"\r\n\r\n")
            connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                            b"Upgrade: mine\r\n\r\nhello")
            connection._until(b"bye")

        self.start(on_connection=play)
        with self.server.client() as client:
            client.send(self.head("POST", "/", "Connection: Upgrade", "Upgrade: mine"))
            self.assertEqual(client.receive_response().header("upgrade"), "mine")
            self.assertEqual(client.receive_exactly(5), b"hello")
            client.send("bye")
            self.assertTrue(client.is_closed())

    def test_the_connection_never_serves_requests_again(self):
        self.start_tunnel(lambda connection: connection._until(b"bye"))
        with self.server.client() as client:
            self.assertEqual(client.request(self.head()).status, 200)
        with self.server.client() as client:
            client.send(self.upgrade())
            self.assertEqual(client.receive_response().status, 101)
            client.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\nbye")
            self.assertEqual(client.receive_all(), b"")
        for _ in range(3):
            self.assertEqual(self.get().status, 200)
        tunnel = next(c for c in self.backend.connections if b"smuggled" in c.bytes)
        self.assertTrue(tunnel.bytes.endswith(b"bye"))

    def test_a_half_closed_tunnel_goes_on(self):
        def then(connection):
            rest = b""
            while data := connection.socket.recv(65536):
                rest += data
            connection.send(b"you said: " + rest)

        self.start_tunnel(then)
        with self.server.client() as client:
            client.send(self.upgrade())
            self.assertEqual(client.receive_response().status, 101)
            client.send("goodbye")
            client.finish_sending()
            self.assertEqual(client.receive_all(), b"you said: goodbye")
        socket = H2WebSocket(self.h2())
        socket.opened()
        socket.client.data(socket.id, b"goodbye", end_stream=True)
        socket.client.answer(socket.id)
        self.assertEqual(socket.stream.body, b"you said: goodbye")

    def test_a_client_that_vanishes_is_told_of(self):
        gone = []

        def then(connection):
            if connection.wait_for_close():
                gone.append(time.monotonic())

        self.start_tunnel(then)

        def leaves_h1(leave):
            client = self.server.client()
            client.send(self.upgrade())
            self.assertEqual(client.receive_response().status, 101)
            leave(client)

        def leaves_h2(leave):
            client = h2client.Connection(self.server)
            socket = H2WebSocket(client)
            self.assertEqual(socket.opened(), 200)
            leave(client, socket)

        for way in (lambda: leaves_h1(harness.RawClient.close),
                    lambda: leaves_h1(harness.RawClient.reset),
                    lambda: leaves_h2(lambda client, _: client.close()),
                    lambda: leaves_h2(lambda client, socket: client.send(
                        RstStreamFrame(socket.id, h2client.CANCEL)))):
            before = len(gone)
            way()
            left = time.monotonic()
            harness.wait_until(lambda count=before: len(gone) > count, what="the backend's end")
            self.assertLess(gone[-1] - left, CANCEL_S)

    def test_a_tunnel_in_which_nobody_says_anything_ends(self):
        gone = []

        def then(connection):
            while data := connection.socket.recv(65536):
                connection.send(data)
            gone.append(True)

        self.start_tunnel(then, tunnel_timeout='"2s"')
        client = self.server.client()
        client.send(self.upgrade())
        self.assertEqual(client.receive_response().status, 101)
        socket = H2WebSocket(self.h2())
        self.assertEqual(socket.opened(), 200)
        began = time.monotonic()
        while time.monotonic() - began < 2.5:  # one that is talked in lives on
            client.send("a")
            self.assertEqual(client.receive_exactly(1), b"a")
            socket.client.data(socket.id, b"b")
            socket.client.until(lambda: socket.stream.body.endswith(b"b"), "the echo")
            socket.stream.body = b""
        self.assertEqual(gone, [])
        self.assertTrue(client.is_closed())
        socket.client.until(lambda: socket.stream.over, "the end of the stream")
        harness.wait_until(lambda: len(gone) == 2, what="the backend's ends")
        harness.wait_until(lambda: len(self.server.events("access")) == 2, what="both lines")
        self.assertEqual({e["cause"] for e in self.server.events("access")},
                         {"upstream_idle_timeout"})

    def test_a_backend_that_vanishes_is_told_of(self):
        for leave in ("close", "reset"):
            with self.subTest(leave):
                self.start_tunnel(lambda connection: getattr(connection, leave)())
                with self.server.client() as client:
                    client.send(self.upgrade())
                    self.assertTrue(client.is_closed() or client.receive_response().status == 101)
                    self.assertTrue(client.is_closed())
                socket = H2WebSocket(self.h2())
                socket.opened()
                socket.client.until(lambda: socket.stream.over, "the end of the stream")

    def test_a_client_that_does_not_read_stops_the_backend(self):
        sent = [0]

        def then(connection):
            for _ in range(64):
                connection.send(b"x" * MIB)
                sent[0] += MIB

        self.start_tunnel(then)
        client = self.enterContext(h2client.Connection(self.server, polite=False))
        socket = H2WebSocket(client)
        before = self.server.rss_bytes()
        client.until(lambda: len(socket.stream.body) == h2client.DEFAULT_WINDOW, "a window")
        for _ in range(5):
            client.ping()
        self.assertLess(sent[0], 32 * MIB)
        self.assertLess(self.server.rss_bytes() - before, 8 * MIB)

    def test_a_drain_lets_tunnels_go_on_until_its_time_is_over(self):
        def then(connection):
            while data := connection.socket.recv(65536):
                connection.send(data)

        self.start_tunnel(then)
        self.server = self.enterContext(harness.Millrace(
            config([self.backend.url]).replace("threads = 1",
                                               'threads = 1\ndrain_timeout = "4s"')))
        socket = H2WebSocket(self.h2())
        self.assertEqual(socket.opened(), 200)
        with self.server.client() as client:
            client.send(self.upgrade())
            self.assertEqual(client.receive_response().status, 101)
            self.server.signal(signal.SIGTERM)
            socket.client.until(lambda: socket.client.goaways, "GOAWAY")
            client.send("still here")
            self.assertEqual(client.receive_exactly(10), b"still here")
            socket.client.data(socket.id, b"here too")
            socket.client.until(lambda: socket.stream.body == b"here too", "the echo")
            self.assertTrue(client.is_closed())
        socket.client.run_to_end()
        self.assertEqual(self.server.wait(), 0)


if __name__ == "__main__":
    unittest.main()
