"""The peers of integration tests: backends that record, Debian's Python servers, and its node."""

import contextlib
import pathlib
import select
import shutil
import socket
import tempfile
import threading

import harness

HELLO = (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")


class Received:
    """One request as the backend read it."""

    def __init__(self, head, connection):
        self.head = head  # raw bytes, the empty line included
        self.body = b""
        self.trailers = []  # (name, value) pairs behind a chunked body
        self.connection = connection
        lines = head.split(b"\r\n")
        self.method, self.target, self.version = lines[0].decode("latin-1").split(" ", 2)
        self.headers = [harness.parse_field(line) for line in lines[1:] if line]

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        values = self.all(name)
        return values[0] if values else None


class Connection:
    """One connection to a Backend, seen from the backend's side."""

    def __init__(self, backend, sock, index):
        self.backend = backend
        self.socket = sock
        self.index = index
        self.bytes = b""  # everything that was received on it, in order
        self.closed = threading.Event()  # the other side is gone, or we closed
        self._taken = 0  # how much of `bytes` was read as requests

    def _receive_more(self):
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        with self.backend.lock:
            self.bytes += data
        return data != b""

    def _until(self, mark):
        while (at := self.bytes.find(mark, self._taken)) < 0:
            if not self._receive_more():
                return None
        return self._take(at + len(mark) - self._taken)

    def _take(self, count):
        while len(self.bytes) < self._taken + count:
            if not self._receive_more():
                return None
        data = self.bytes[self._taken : self._taken + count]
        self._taken += count
        return data

    def read_request(self):
        """The next request with its whole body; None when the connection ended first."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        received = Received(head, self)
        if "chunked" in (received.header("transfer-encoding") or "").lower():
            body = self._read_chunked(received.trailers)
        else:
            body = self._take(int(received.header("content-length") or 0))
        if body is None:
            return None
        received.body = body
        return received

    def _read_chunked(self, trailers):
        body = b""
        while (line := self._until(b"\r\n")) is not None:
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while (line := self._until(b"\r\n")) not in (b"\r\n", None):
                    trailers.append(harness.parse_field(line))
                return None if line is None else body
            chunk = self._take(size + 2)
            if chunk is None:
                return None
            body += chunk[:-2]
        return None

    def send(self, data):
        self.socket.sendall(data)

    def wait_for_close(self, timeout_s=harness.DEADLINE_S):
        """Whether the other side closed within the time, or reset the connection."""
        self.socket.settimeout(timeout_s)
        with contextlib.suppress(OSError):
            with contextlib.suppress(ConnectionResetError):
                while self.socket.recv(65536):
                    pass
            return True
        return False

    def wait_for_reset(self, timeout_s=harness.DEADLINE_S):
        """The same without reading: what was sent stays in front of an end, but not of a reset."""
        poll = select.poll()
        poll.register(self.socket, 0)
        return bool(poll.poll(timeout_s * 1000))

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def close(self):
        # shutdown first: close alone does not wake a thread that waits in recv.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.closed.set()


class Backend:
    """An HTTP/1.1 backend on raw sockets that keeps every byte it is sent.

        with Backend() as backend:                  # answers every request with HELLO
        with Backend(lambda request: b"HTTP/1.1 ...") as backend:
        with Backend(on_connection=play) as backend: # play(connection) has the connection to itself
        with Backend(port=earlier.port) as backend:  # where another one was stopped

    `answer(request)` returns the raw bytes of the response, or None to close instead. Judge a
    refused request by `received_bytes`: it must be empty.
    """

    def __init__(self, answer=lambda request: HELLO, on_connection=None, port=0):
        self.lock = threading.Lock()
        self.connections = []
        self.requests = []
        self._answer = answer
        self._on_connection = on_connection or self._serve
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.host, self.port = self._listener.getsockname()
        self.url = f"http://{self.host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def received_bytes(self):
        """All bytes of all connections so far, in the order in which these were accepted."""
        with self.lock:
            return b"".join(connection.bytes for connection in self.connections)

    def stop(self):
        """Stops listening and closes what is open: further connections are refused."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self.connections):
            connection.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                connection = Connection(self, sock, len(self.connections))
                self.connections.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        try:
            self._on_connection(connection)
        except OSError:
            pass  # the other side is gone: what it sent is recorded
        finally:
            connection.close()

    def _serve(self, connection):
        while (request := connection.read_request()) is not None:
            with self.lock:
                self.requests.append(request)
            response = self._answer(request)
            if response is None:
                return
            connection.send(response)


class PythonServer(harness.Process):
    """A Python service on its own server, ready when constructed.

    `source` is the text of module app.py; `unix` makes it listen on a unix socket, with `target`
    what Millrace's `targets` wants to hear. Ready means that it accepted a connection.
    """

    def __init__(self, command, source, unix, name):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-test-"))
        (self.directory / "app.py").write_text(source)
        self.socket_path = str(self.directory / "app.sock")
        self.port = None if unix else harness.free_port()
        self.target = f"unix:{self.socket_path}" if unix else f"http://127.0.0.1:{self.port}"
        self.url = None if unix else self.target
        super().__init__(command(self), name, cwd=self.directory)
        try:
            harness.wait_until(self._accepts, what=f"{name} to listen")
        except AssertionError as error:
            self.__exit__()
            raise AssertionError(f"{error}\n{self.tail()}") from None

    def _accepts(self):
        if not self.alive():
            raise AssertionError(f"{self.name} ended with {self.wait()}")
        family = socket.AF_UNIX if self.port is None else socket.AF_INET
        address = self.socket_path if self.port is None else ("127.0.0.1", self.port)
        with socket.socket(family) as probe:
            return probe.connect_ex(address) == 0

    def __exit__(self, *_):
        # gunicorn's workers go when their master is told to, not when it is killed.
        if self.alive():
            with contextlib.suppress(Exception):
                self.terminate(5)
        super().__exit__()
        shutil.rmtree(self.directory, ignore_errors=True)


def uvicorn(source, unix=False, arguments=()):
    """Debian's uvicorn serving `app` of the ASGI module whose text is `source`."""

    def command(server):
        where = (["--uds", server.socket_path] if unix
                 else ["--host", "127.0.0.1", "--port", str(server.port)])
        return ["/usr/bin/uvicorn", "app:app", *where, "--log-level", "warning", *arguments]

    return PythonServer(command, source, unix, "uvicorn")


def gunicorn(source, unix=False, arguments=("--workers", "2")):
    """Debian's gunicorn serving `app` of the WSGI module whose text is `source`."""

    def command(server):
        where = f"unix:{server.socket_path}" if unix else f"127.0.0.1:{server.port}"
        return ["/usr/bin/gunicorn", "app:app", "--bind", where, *arguments]

    return PythonServer(command, source, unix, "gunicorn")


class Node(harness.Process):
    """Debian's node running a script that listens on port 0 and prints "port N" when it does."""

    def __init__(self, script, *arguments):
        super().__init__(["node", str(script), *map(str, arguments)], "node")
        try:
            harness.wait_until(self._printed, what="node to listen")
        except AssertionError as error:
            self.__exit__()
            raise AssertionError(f"{error}\n{self.tail()}") from None
        self.port = int(self._printed().removeprefix("port "))
        self.url = f"http://127.0.0.1:{self.port}"

    def _printed(self):
        if not self.alive():
            raise AssertionError(f"node ended with {self.wait()}")
        return next((line for line in list(self.log) if line.startswith("port ")), None)


def find_tool(name):
    """The path of a program, or of one unpacked under build/peers; None when it is missing."""
    unpacked = harness.ROOT / "build" / "peers" / name / "usr" / "sbin" / name
    return str(unpacked) if unpacked.exists() else shutil.which(name)
