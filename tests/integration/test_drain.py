"""SIGTERM under load: every request that was fully written before gets a whole answer, nobody is
reset, and the process ends with 0."""

import signal
import socket
import threading
import time
import unittest

import harness
import peers

REQUEST = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
KEEP_ALIVE_CLIENTS = 64
NEW_PER_SECOND = 200
WARM_UP_ANSWERS = 10_000

RESPOND = '''
    [[route]]
    match = { path = "/hello" }
    respond = { status = 200, body = "hello" }
    [[route]]
    match = { path = "/tools/*" }
    endpoint = "tools"
    [log]
    access = "off"
'''


class Load:
    """A client that is committed: it stops a connection at `Connection: close` or refusal only."""

    def __init__(self, address):
        self._address = address
        self._lock = threading.Lock()
        self._threads = []
        self._stop = threading.Event()
        self.answers = 0
        self.refusals = 0
        self.failures = []

    def start(self):
        for _ in range(KEEP_ALIVE_CLIENTS):
            self._spawn(self._keep_alive)
        self._spawn(self._new_connections)

    def join(self):
        """Waits until every client has stopped by itself."""
        self._stop.set()
        for thread in list(self._threads):
            thread.join(harness.DEADLINE_S)
            if thread.is_alive():
                self.failures.append("a client never stopped")

    def _spawn(self, target):
        thread = threading.Thread(target=target, daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _connect(self):
        """None once the server refuses. A connection that is accepted is served."""
        try:
            return socket.create_connection(self._address, harness.DEADLINE_S)
        except ConnectionRefusedError:
            with self._lock:
                self.refusals += 1
            return None

    def _fail(self, error):
        with self._lock:
            self.failures.append(error)

    def _exchange(self, sock):
        """One request, one whole answer; whether the connection goes on."""
        sock.sendall(REQUEST)
        data = b""
        while not data.endswith(b"\r\n\r\nhello"):
            piece = sock.recv(4096)
            if not piece:
                raise AssertionError(f"closed after {data!r}")
            data += piece
        if not data.startswith(b"HTTP/1.1 200 OK\r\n"):
            raise AssertionError(f"bad answer {data!r}")
        with self._lock:
            self.answers += 1
        return b"\r\nConnection: close\r\n" not in data

    def _keep_alive(self):
        while (sock := self._connect()) is not None:
            with sock:
                try:
                    while self._exchange(sock):
                        pass
                    if sock.recv(1) != b"":
                        raise AssertionError("bytes behind the last answer")
                except (OSError, AssertionError) as error:
                    return self._fail(f"keep-alive: {error!r}")

    def _new_connections(self):
        clients = []
        next_at = time.monotonic()
        while not self.refusals:
            thread = threading.Thread(target=self._one_request, daemon=True)
            thread.start()
            clients.append(thread)
            next_at += 1 / NEW_PER_SECOND
            time.sleep(max(0, next_at - time.monotonic()))  # the rate is the load, not a wait
        for thread in clients:
            thread.join(harness.DEADLINE_S)

    def _one_request(self):
        sock = self._connect()
        if sock is None:
            return
        with sock:
            try:
                self._exchange(sock)
            except (OSError, AssertionError) as error:
                self._fail(f"new connection: {error!r}")


class UnderLoad(unittest.TestCase):
    def drain(self, config):
        with harness.Millrace(config) as server:
            load = Load((server.host, server.port))
            load.start()
            harness.wait_until(lambda: load.answers > WARM_UP_ANSWERS, what="the load to run")
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            load.join()
            self.assertEqual(load.failures[:5], [])
            self.assertGreater(load.refusals, 0)
            self.assertEqual(server.wait(), 0, server.tail())
            self.assertLess(time.monotonic() - began, 30)

    def test_answers_of_our_own(self):
        for round_ in range(3):  # races of microseconds need more than one chance
            with self.subTest(round=round_):
                self.drain(RESPOND)

    def test_one_thread(self):
        self.drain('[server]\nlisten = ["127.0.0.1:0"]\nthreads = 1\n' + RESPOND)

    def test_proxied(self):
        with peers.Backend() as backend:
            self.drain(f'''
                [upstream.b]
                targets = ["{backend.url}"]
                [[route]]
                match = {{ path = "/*" }}
                upstream = "b"
                [log]
                access = "off"
            ''')


class OneByOne(unittest.TestCase):
    def serve(self, drain_timeout="30s"):
        server = harness.Millrace('[server]\nlisten = ["127.0.0.1:0"]\n'
                                  f'drain_timeout = "{drain_timeout}"\n' + RESPOND)
        self.addCleanup(server.__exit__)
        return server

    def refuses(self, server):
        try:
            # A SYN of the time in between is dropped, and sent again after a second.
            socket.create_connection((server.host, server.port), harness.DEADLINE_S).close()
        except ConnectionRefusedError:
            return True
        return False

    def test_a_running_request_gets_its_answer(self):
        server = self.serve()
        with server.client() as client:
            client.send("GET /tools/delay?ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
            harness.wait_until(lambda: harness.get(server.admin + "/readyz").status == 200)
            server.signal(signal.SIGTERM)
            response = client.receive_response()
            self.assertEqual((response.status, response.header("connection")), (200, "close"))
        self.assertEqual(server.wait(), 0)

    def test_an_idle_connection_gets_close_with_its_next_answer(self):
        server = self.serve()
        with server.client() as client:
            self.assertEqual(client.request(REQUEST).header("connection"), None)
            server.signal(signal.SIGTERM)
            harness.wait_until(lambda: self.refuses(server), what="new connections to be refused")
            self.assertEqual(client.request(REQUEST).header("connection"), "close")
            self.assertTrue(client.is_closed())
        self.assertEqual(server.wait(), 0)

    def test_idle_connections_are_closed_when_the_time_is_over(self):
        server = self.serve("1s")
        with server.client() as client:
            self.assertEqual(client.request(REQUEST).status, 200)
            server.signal(signal.SIGTERM)
            self.assertEqual(client.receive_all(), b"")
        self.assertEqual(server.wait(), 0)

    def test_a_request_that_takes_longer_than_the_time_is_cancelled(self):
        server = self.serve("1s")
        with server.client() as client:
            client.send("GET /tools/delay?ms=50000 HTTP/1.1\r\nHost: a\r\n\r\n")
            harness.wait_until(lambda: harness.get(server.admin + "/readyz").status == 200)
            server.signal(signal.SIGTERM)
            self.assertEqual(client.receive_response().status, 503)
        self.assertEqual(server.wait(), 0)

    def test_without_connections_it_ends_at_once(self):
        server = self.serve()
        began = time.monotonic()
        self.assertEqual(server.terminate(), 0)
        self.assertLess(time.monotonic() - began, 15)

    def test_a_second_signal_stops_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                server = self.serve()
                with server.client() as client:
                    client.send("GET /tools/delay?ms=50000 HTTP/1.1\r\nHost: a\r\n\r\n")
                    harness.wait_until(lambda: harness.get(server.admin + "/readyz").status == 200)
                    server.signal(number)
                    harness.wait_until(lambda: self.refuses(server), what="a refused connection")
                    began = time.monotonic()
                    server.signal(number)
                    server.wait()
                    self.assertLess(time.monotonic() - began, 15)
