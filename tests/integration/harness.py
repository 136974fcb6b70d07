"""What the integration tests share: Millrace itself, the peers around it, raw sockets, waiting.

Standard library only, run by /usr/bin/python3. MILLRACE_BINARY names the binary (default:
build/release/millrace). Everything listens on port 0 or in a temporary directory, every process
started here is ended here, and nothing waits by sleeping for a fixed time: `wait_until` polls a
condition up to a deadline.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("MILLRACE_BINARY", str(ROOT / "build" / "release" / "millrace"))
# asan and tsan builds are several times slower: tests of speed ask this before they judge.
SANITIZED = os.environ.get("MILLRACE_BUILD", "release") in ("asan", "tsan")
# A loaded machine is slow, a broken server never answers: generous, because only failures wait.
DEADLINE_S = 60.0 if SANITIZED else 20.0
POLL_INTERVAL_S = 0.01


def wait_until(predicate, deadline_s=DEADLINE_S, what="condition"):
    """Polls until predicate() is true and returns its value; AssertionError after deadline_s."""
    give_up_at = time.monotonic() + deadline_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {deadline_s:g} s: {what}")
        time.sleep(POLL_INTERVAL_S)


def free_port():
    """A TCP port that was free just now, for peers that cannot report a port of their own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*arguments, timeout_s=DEADLINE_S, **options):
    """Runs `millrace ARGUMENTS...` to its end: CompletedProcess with text stdout and stderr."""
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout_s, check=False, **options)


class Process:
    """A child process whose output is collected line by line while it runs. A context manager:
    leaving it ends the process, so that a failing test leaves nothing behind."""

    def __init__(self, command, name, **options):
        self.name = name
        self.log = []  # every line of stdout and stderr so far
        self._popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL, **options)
        self.pid = self._popen.pid
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self):
        for line in self._popen.stdout:
            self.log.append(line.decode(errors="replace").rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def alive(self):
        return self._popen.poll() is None

    def signal(self, number):
        self._popen.send_signal(number)

    def wait(self, deadline_s=DEADLINE_S):
        """The exit code; the log is complete then. Negative: ended by that signal."""
        code = self._popen.wait(deadline_s)
        self._reader.join(deadline_s)
        return code

    def terminate(self, deadline_s=DEADLINE_S):
        """SIGTERM, then the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(deadline_s)

    def kill(self):
        if self.alive():
            self._popen.kill()
        self.wait()
        self._popen.stdout.close()

    def rss_bytes(self):
        """Resident memory now."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} has no VmRSS: it is gone")

    def status(self):
        """The text of /proc/PID/status."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return status.read()

    def fds(self):
        """Number of open descriptors now."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        """(user, system) consumed so far by all its threads."""
        stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return int(fields[11]) / ticks, int(fields[12]) / ticks

    def tail(self, lines=30):
        return "\n".join(self.log[-lines:])


class Millrace(Process):
    """A running server, ready when constructed.

        with Millrace('''[server]\\nlisten = ["127.0.0.1:0"]''') as server:
            get(server.url + "/echo")

    `config` is the text of its configuration file; without [server] or [admin] in it, both listen
    on 127.0.0.1:0. `command` replaces `serve -c FILE`; name port 0 in it yourself. Its log is JSON
    lines in `log`; `events` are those parsed.
    """

    def __init__(self, config="", command=None, env=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-test-"))
        self.config_file = self.directory / "millrace.toml"
        self.write_config(config)
        command = command or ["serve", "-c", str(self.config_file)]
        super().__init__([BINARY, *map(str, command)], "millrace",
                         cwd=self.directory, env={**os.environ, **(env or {})})
        try:
            ready = self._await_ready()
        except BaseException:
            self.__exit__()
            raise
        self.listen = ready["listen"]  # bound addresses, in the order of the configuration
        self.egress = ready["egress"]  # the addresses of [[egress]]
        self.admin = "http://" + ready["admin"] if ready.get("admin") else None
        self.address = next((a for a in self.listen if not a.startswith("unix:")), None)
        if self.address:
            host, port = self.address.rsplit(":", 1)
            self.host, self.port = host.strip("[]"), int(port)
            self.url = f"http://{self.address}"

    def write_config(self, config):
        """Replaces the configuration file (for a reload); adds port 0 where nothing is said."""
        if "[admin]" not in config:
            config += '\n[admin]\nlisten = "127.0.0.1:0"\n'
        if "[server]" not in config:
            config += '\n[server]\nlisten = ["127.0.0.1:0"]\n'
        # Whole or not at all: an empty file is a configuration too.
        whole = self.config_file.with_suffix(".new")
        whole.write_text(config)
        whole.replace(self.config_file)

    def _await_ready(self):
        ready = wait_until(lambda: next(iter(self.events("ready")), None) or not self.alive(),
                           what="the ready line")
        if ready is True:
            raise AssertionError(f"millrace ended with {self.wait()} instead of serving:\n"
                                 + self.tail())
        return ready

    def events(self, name=None):
        """The JSON log lines so far, or those with this "event"."""
        found = []
        for line in list(self.log):
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and name in (None, entry.get("event")):
                    found.append(entry)
        return found

    def client(self):
        """A raw connection to the first TCP listener."""
        return RawClient(self.host, self.port)

    def __exit__(self, *_):
        super().__exit__()
        shutil.rmtree(self.directory, ignore_errors=True)


def unsent_bytes(server_port, client):
    """What waits in the server's socket because this client's own buffer is full."""
    ends = f":{server_port:04X}", f":{client.getsockname()[1]:04X}"
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
            return int(fields[4].split(":")[0], 16)
    return 0


class RawClient:
    """A TCP connection that speaks bytes: what is sent is exactly what arrives."""

    def __init__(self, host, port, timeout_s=DEADLINE_S):
        self.socket = socket.create_connection((host, port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held = b""  # received, not yet asked for

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def send_bytewise(self, data):
        """One byte per write: nothing may depend on how bytes are cut into packets."""
        for index in range(len(data)):
            self.send(data[index : index + 1])

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def _receive_more(self):
        data = self.socket.recv(65536)
        self._held += data
        return data != b""

    def receive_until(self, mark):
        """Everything up to and with `mark`; AssertionError when the peer closes before."""
        while mark not in self._held:
            if not self._receive_more():
                raise AssertionError(f"closed before {mark!r}; got {self._held!r}")
        end = self._held.index(mark) + len(mark)
        data, self._held = self._held[:end], self._held[end:]
        return data

    def receive_exactly(self, count):
        while len(self._held) < count:
            if not self._receive_more():
                raise AssertionError(f"closed after {len(self._held)} of {count} bytes")
        data, self._held = self._held[:count], self._held[count:]
        return data

    def receive_all(self):
        """Everything until the peer closes; a reset raises ConnectionResetError."""
        while self._receive_more():
            pass
        data, self._held = self._held, b""
        return data

    def receive_response(self, method="GET"):
        """One whole final response, interim ones (1xx) passed over."""
        while True:
            response = Response(self.receive_until(b"\r\n\r\n"))
            if response.status >= 200 or response.status == 101:
                break
        if method == "HEAD" or response.status in (101, 204, 304):
            return response
        if response.header("transfer-encoding") == "chunked":
            response.body = self._receive_chunked(response)
        elif (length := response.header("content-length")) is not None:
            response.body = self.receive_exactly(int(length))
        else:
            response.body = self.receive_all()
        return response

    def _receive_chunked(self, response):
        body = b""
        while True:
            size = int(self.receive_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            body += self.receive_exactly(size)
            assert self.receive_exactly(2) == b"\r\n", "no CRLF after a chunk"
        while (line := self.receive_until(b"\r\n")) != b"\r\n":
            response.trailers.append(parse_field(line))
        return body

    def request(self, text, method=None):
        """Sends one request and receives its whole response."""
        self.send(text)
        first = text if isinstance(text, str) else text.decode("latin-1")
        return self.receive_response(method or first.split(" ", 1)[0])

    def is_closed(self):
        """Whether the peer has closed, waiting for it up to the timeout."""
        try:
            return not self._held and not self._receive_more()
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def reset(self):
        """Closes with RST, as a crashed peer would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self):
        self.socket.close()


def parse_field(line):
    name, _, value = line.rstrip(b"\r\n").partition(b":")
    return name.decode("latin-1"), value.strip().decode("latin-1")


class Response:
    """A parsed response head, and the body once it was received."""

    def __init__(self, head):
        self.head = head
        lines = head.split(b"\r\n")
        self.version, status, self.reason = (lines[0].decode("latin-1") + "  ").split(" ", 2)
        self.status = int(status)
        self.headers = [parse_field(line) for line in lines[1:] if line]
        self.trailers = []
        self.body = b""

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        """The only value of a field, None without one; AssertionError when it is there twice."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


def request(url, method="GET", headers=(), body=b"", timeout_s=DEADLINE_S):
    """One request on a connection of its own: its Response. `headers`: (name, value) pairs."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    assert scheme == "http", url
    host, port = authority.rsplit(":", 1)
    lines = [f"{method} {slash or '/'}{path} HTTP/1.1", f"Host: {authority}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    named = {name.lower() for name, _ in headers}
    if (body or method in ("POST", "PUT", "PATCH")) and "content-length" not in named:
        lines.append(f"Content-Length: {len(body)}")
    with RawClient(host.strip("[]"), int(port), timeout_s) as client:
        client.send("\r\n".join(lines) + "\r\n\r\n")
        # A server may answer, and close, before it has read a body that it refuses.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(body)
        return client.receive_response(method)


def get(url, headers=(), timeout_s=DEADLINE_S):
    return request(url, "GET", headers, timeout_s=timeout_s)


def post(url, body=b"", headers=(), timeout_s=DEADLINE_S):
    return request(url, "POST", headers, body, timeout_s)
