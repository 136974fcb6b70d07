"""The servers under test, and the backend behind them: each is started in a directory of its own
on a free loopback port and ended with all its children. This module has the base, Millrace and
nginx; peers.py has the others."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from side_by_side.programs import ROOT, Failed, environment_of, find_peer

MILLRACE = os.environ.get("MILLRACE_BINARY", str(ROOT / "build" / "release" / "millrace"))
START_TIMEOUT_S = 10
STOP_TIMEOUT_S = 10
POLL_INTERVAL_S = 0.01


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
    when it serves (`find_port` returns its port, or None for not yet). In a configuration
    {directory}, {backend}, {port} and {shared} are filled in; the last is the folder around the
    servers' own, with what all of them serve and show (material.py).
    """

    name = ""

    def __init__(self, directory, config="", backend="", scheme="http"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.log = self.directory / "output.log"
        self.scheme = scheme
        self.port = None
        self.url = None
        self.pid = None
        self._process = None
        self._config = (config.replace("{directory}", str(self.directory))
                        .replace("{shared}", str(self.directory.parent))
                        .replace("{backend}", backend))

    @classmethod
    def program(cls):
        """The path of its binary, None where there is none."""
        return find_peer(cls.name)

    def prepare(self):
        raise NotImplementedError

    def find_port(self):
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def start(self, placement, processor, wrapper=()):
        """`wrapper`: a command that runs the server's (valgrind); it must exec or be the server."""
        command = placement.pinned(processor, [*wrapper, *self.prepare()])
        with open(self.log, "wb") as log:
            # A session of its own, so that stop() reaches its children and nobody else.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory,
                                             stdin=subprocess.DEVNULL, start_new_session=True,
                                             env=environment_of(self.name))
        self.pid = self._process.pid  # taskset execs: the pid is the server's own
        give_up_at = time.monotonic() + START_TIMEOUT_S * (6 if wrapper else 1)
        while not (port := self.find_port()):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                raise Failed(f"{self.name} did not start:\n{self.log.read_text()}")
            time.sleep(POLL_INTERVAL_S)
        self.port = port
        self.url = f"{self.scheme}://127.0.0.1:{port}"

    def alive(self):
        return self._process is not None and self._process.poll() is None

    def signal_end(self):
        self._process.send_signal(signal.SIGTERM)

    def stop(self):
        if self._process is None:
            return
        self.signal_end()
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
    """`config` is a configuration file without [server] and [admin]. It listens in cleartext too
    when the scheme is https: the last listener counts, then."""

    name = "millrace"
    base = """\
[server]
listen = ["127.0.0.1:0"]
threads = 1
{server}
[admin]
listen = "127.0.0.1:0"
"""

    def __init__(self, directory, config="", backend="", scheme="http", server=""):
        super().__init__(directory, config, backend, scheme)
        self._config = self.base.replace("{server}", server) + self._config

    @classmethod
    def program(cls):
        return MILLRACE if os.path.exists(MILLRACE) else None

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
            if isinstance(entry, dict) and entry.get("event") == "ready":
                chosen = entry["listen"][-1 if self.scheme == "https" else 0]
                return int(chosen.rsplit(":", 1)[1])
        return None

    def version(self):
        return subprocess.check_output([MILLRACE, "--version"], text=True).splitlines()[0]


class FixedPort(Server):
    """A server that is told its port and is up when it accepts there."""

    def _choose_port(self):
        self.port = free_port()
        return self._config.replace("{port}", str(self.port))

    def find_port(self):
        return self.port if accepts(self.port) else None


class Nginx(FixedPort):
    """`config` is what goes into http { }."""

    name = "nginx"
    base = """\
{user}daemon off;
{processes}
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
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

    def __init__(self, directory, config="", backend="", scheme="http",
                 processes="worker_processes 1;", connections=4096):
        super().__init__(directory, config, backend, scheme)
        self._processes = processes
        self._connections = connections

    def prepare(self):
        file = self.directory / "nginx.conf"
        # A master of root would drop to a user who may not enter this directory.
        user = "user root;\n" if os.getuid() == 0 else ""
        file.write_text(self.base.format(user=user, processes=self._processes,
                                         connections=self._connections,
                                         config=self._choose_port()))
        return [self.program(), "-p", str(self.directory), "-e", "stderr", "-c", str(file)]

    def version(self):
        result = subprocess.run([self.program(), "-v"], stderr=subprocess.PIPE, text=True,
                                check=True)
        return result.stderr.strip().removeprefix("nginx version: ").replace("/", " ")
