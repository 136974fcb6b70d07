"""The servers under test, and the backend behind them: each is started in a directory of its own
on a free loopback port and ended with all its children."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MILLRACE = os.environ.get("MILLRACE_BINARY", str(ROOT / "build" / "release" / "millrace"))
NGINX = str(ROOT / "build" / "peers" / "nginx" / "usr" / "sbin" / "nginx")
START_TIMEOUT_S = 10
STOP_TIMEOUT_S = 10
POLL_INTERVAL_S = 0.01


class Failed(Exception):
    """The run cannot be trusted or cannot go on; the message says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A process in `directory`, pinned to a processor; `url` once `start` returned.

    A subclass says how it is configured (`prepare` writes its files and returns the command) and
    when it serves (`find_port` returns its port, or None for not yet).
    """

    name = ""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.log = self.directory / "output.log"
        self.url = None
        self.pid = None
        self._process = None

    def prepare(self):
        raise NotImplementedError

    def find_port(self):
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def start(self, placement, processor):
        command = placement.pinned(processor, self.prepare())
        with open(self.log, "wb") as log:
            # A session of its own, so that stop() reaches its children and nobody else.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory,
                                             stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = self._process.pid  # taskset execs: the pid is the server's own
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while not (port := self.find_port()):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                raise Failed(f"{self.name} did not start:\n{self.log.read_text()}")
            time.sleep(POLL_INTERVAL_S)
        self.url = f"http://127.0.0.1:{port}"

    def stop(self):
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()


class Millrace(Server):
    """`config` is a configuration file without [server] and [admin]; {directory} and {backend} are
    filled in."""

    name = "millrace"
    base = """\
[server]
listen = ["127.0.0.1:0"]
threads = 1
[admin]
listen = "127.0.0.1:0"
"""

    def __init__(self, directory, config, backend=""):
        super().__init__(directory)
        self._config = self.base + fill(config, self.directory, backend)

    def prepare(self):
        file = self.directory / "millrace.toml"
        file.write_text(self._config)
        return [MILLRACE, "serve", "-c", str(file)]

    def find_port(self):
        for line in self.log.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event") == "ready":
                return int(entry["listen"][0].rsplit(":", 1)[1])
        return None

    def version(self):
        return subprocess.check_output([MILLRACE, "--version"], text=True).splitlines()[0]


class Nginx(Server):
    """`config` is what goes into http { }; {port}, {directory} and {backend} are filled in."""

    name = "nginx"
    base = """\
{user}daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  default_type text/plain;
  keepalive_requests 1000000000;
  {config}
}}
"""

    def __init__(self, directory, config, backend=""):
        super().__init__(directory)
        self._config = fill(config, self.directory, backend)
        self._port = None

    def prepare(self):
        self._port = free_port()
        file = self.directory / "nginx.conf"
        # A master of root would drop to a user who may not enter this directory.
        user = "user root;\n" if os.getuid() == 0 else ""
        config = self._config.replace("{port}", str(self._port))
        file.write_text(self.base.format(user=user, config=config))
        return [NGINX, "-p", str(self.directory), "-e", "stderr", "-c", str(file)]

    def find_port(self):
        return self._port if accepts(self._port) else None

    def version(self):
        result = subprocess.run([NGINX, "-v"], stderr=subprocess.PIPE, text=True, check=True)
        return result.stderr.strip().removeprefix("nginx version: ").replace("/", " ")


def fill(config, directory, backend):
    return config.replace("{directory}", str(directory)).replace("{backend}", backend)
