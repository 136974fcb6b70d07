"""The service under Millrace, under gunicorn and under uvicorn's own supervisor: how each is started, deployed and
ended, all with their defaults. No wait is without an end: what does not happen in time is an error."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

from heavy import harness

FOLDER = pathlib.Path(__file__).resolve().parent
WORKERS = 2
TIMES = {"deploy": 20, "kill": 20, "reload": 20, "drain": 2}
CHANGE_S = 60  # for what is not the end of a supervisor
STOP_S = 90  # systemd's TimeoutStopSec; then it kills all that is left
CONFIG = f"""
[server]
listen = ["127.0.0.1:0"]
[log]
access = "off"
[process.app]
command = ["uvicorn", "app:app", "--uds", "{{socket}}", "--log-level", "error", "--no-access-log"]
directory = "{FOLDER}"
workers = {WORKERS}
[upstream.app]
process = "app"
[[route]]
match = {{ path = "/*" }}
upstream = "app"
"""


def wait_until(predicate, what):
    harness.wait_until(predicate, CHANGE_S, what)


class Server:
    """Two workers; pids() are those that live."""

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *exception):
        self.end()

    def await_workers(self, gone, what):
        """Until there are two, none of them among `gone`."""
        wait_until(lambda: len(now := set(self.pids())) == WORKERS and not now & set(gone), what)

    def kill(self):
        victim = self.pids()[0]
        os.kill(victim, signal.SIGKILL)
        self.await_workers([victim], "a worker in the place of the killed one")


class Millrace(Server):
    """Fronts two uvicorn workers, and supervises them."""

    times = TIMES
    server = None

    def start(self):
        self.server = harness.Millrace(CONFIG)
        self.await_workers([], "two workers")
        self.address = (self.server.host, self.server.port)

    def end(self):
        if self.server is not None:
            try:
                self.server.terminate(STOP_S)
            finally:
                self.server.__exit__()

    def _get(self, path):
        with urllib.request.urlopen(self.server.admin + path, timeout=10) as answer:
            return json.load(answer)

    def _post(self, path):
        request = urllib.request.Request(self.server.admin + path, b"", method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()

    def pids(self):
        return [i["pid"] for i in self._get("/processes")["processes"][0]["instances"]
                if i["state"] == "serving"]

    def deploy(self):
        before = self.pids()
        self._post("/processes/app/restart")
        self.await_workers(before, "a new generation")

    def reload(self):
        self._post("/reload")

    def drain(self):
        target = self._get("/upstreams")["upstreams"][0]["targets"][0]["target"]
        query = "?target=" + urllib.parse.quote(target, safe="")
        self._post("/upstreams/app/drain" + query)
        self._post("/upstreams/app/enable" + query)


class Supervised(Server):
    """A supervisor with workers of its own, in a process group of its own: a killed supervisor of either kind leaves
    its workers behind, who hold the port and the pipe of their output."""

    times = {"deploy": TIMES["deploy"], "kill": TIMES["kill"]}
    command = []
    worker_mark = b""  # in the command line of a worker
    process = None

    def __init__(self):
        port = harness.free_port()
        self.address = ("127.0.0.1", port)
        self.command = [word.format(port=port) for word in self.command]

    def start(self):
        self.process = harness.Process(self.command, self.command[0], cwd=FOLDER, start_new_session=True)
        wait_until(lambda: len(self.pids()) == WORKERS and self._listens(), f"{self.command[0]} serves")

    def end(self):
        """As systemd does: SIGTERM to all, SIGKILL for what is left. Whether the supervisor went by itself."""
        process, self.process = self.process, None
        if process is None:
            return True
        try:
            self._signal_group(process, signal.SIGTERM)
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            return False
        finally:
            self._signal_group(process, signal.SIGKILL)
            process.__exit__()
        return True

    @staticmethod
    def _signal_group(process, number):
        with contextlib.suppress(ProcessLookupError):  # nothing is left
            os.killpg(process.pid, number)

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(self.address) == 0

    def pids(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split() if self._is_worker(pid)]

    def _is_worker(self, pid):
        """Neither a zombie, whose command line is empty, nor a helper."""
        try:
            return self.worker_mark in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False


class Gunicorn(Supervised):
    """It replaces a killed worker; HUP is a deploy. A new worker counts from its fork: it tells of no readiness."""

    command = ["gunicorn", "app:app", "--bind", "127.0.0.1:{port}", "--workers", str(WORKERS), "--worker-class",
               "uvicorn.workers.UvicornWorker", "--log-level", "error"]
    worker_mark = b"gunicorn"

    def deploy(self):
        before = self.pids()
        self.process.signal(signal.SIGHUP)
        self.await_workers(before, "a new generation")


class Uvicorn(Supervised):
    """Its supervisor (0.17) neither replaces a killed worker nor knows of generations: a restart is all that there is.
    With no worker left it still holds the port, and who connects waits for ever. So a kill is followed by a restart at
    once, which is what an operator can do, only quicker."""

    command = ["uvicorn", "app:app", "--host", "127.0.0.1", "--port", "{port}", "--workers", str(WORKERS),
               "--log-level", "error", "--no-access-log"]
    worker_mark = b"spawn_main"
    stuck = 0  # restarts that took a SIGKILL

    def deploy(self):
        self.stuck += not self.end()
        self.start()

    def kill(self):
        os.kill(self.pids()[0], signal.SIGKILL)
        self.deploy()


SERVERS = {"millrace": Millrace, "gunicorn": Gunicorn, "uvicorn": Uvicorn}
