"""Instructions per request in user space, by valgrind's callgrind: a server is run to its end
twice, with N and with twice as many requests; the difference, divided by N, knows nothing of the
start."""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from side_by_side import configs, cpu, material, programs, report
from side_by_side.check import check_answer
from side_by_side.h2load import H2load
from side_by_side.programs import ROOT, Failed
from side_by_side.scenarios import BROWSER_FIELDS, Scenario
from side_by_side.servers import MILLRACE, Millrace, Nginx

VALGRIND = ("valgrind", "--tool=callgrind")
RESULTS = ROOT / "loadtest" / "results"
TIMEOUT_S = 300
DEPTH = 16


class Stripped(Millrace):
    """Without debug information, which valgrind reads for seconds where it understands it."""

    def prepare(self):
        _, *arguments = super().prepare()
        program = self.directory / "millrace"
        subprocess.run(["strip", "-g", "-o", program, MILLRACE], check=True)
        return [str(program), *arguments]


class OneProcess(Nginx):
    def __init__(self, *arguments):
        super().__init__(*arguments, processes="master_process off;")

    def stop(self):
        # Alone, nginx overlooks a signal that comes just before it waits: an event wakes it.
        if self.alive():
            self.signal_end()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
        super().stop()


class Sequence:
    """`depth` requests at once on every connection, the next ones when all are answered."""

    def __init__(self, fields=(), depth=1, connections=1):
        self._lines = ["GET /plaintext HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]
        self._depth = depth
        self._connections = connections

    def ask(self, server, count):
        text = "\r\n".join(self._lines).encode() * self._depth
        with contextlib.ExitStack() as cleanup:
            connections = [cleanup.enter_context(self._connect(server))
                           for _ in range(self._connections)]
            for _ in range(count // (self._depth * self._connections)):
                for connection in connections:
                    connection.sendall(text)
                for connection in connections:
                    self._receive(connection)

    @staticmethod
    def _connect(server):
        connection = socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _receive(self, connection):
        answers = b""
        while answers.count(material.HELLO) < self._depth:
            piece = connection.recv(65536)
            if not piece:
                raise Failed("the server closed the connection")
            answers += piece


class Streams:
    """h2load: 8 connections of 32 streams."""

    def ask(self, server, count):
        H2load().drive(f"{server.url}/plaintext", [f"-n{count}"], TIMEOUT_S, cpu.Placement())


@dataclasses.dataclass(frozen=True)
class Counted:
    about: str
    load: object
    contenders: tuple  # (server, configuration): Millrace and nginx
    version: str = "1.1"  # of HTTP
    backend: str = ""  # nginx configuration of what is behind both; not counted


H1 = ((Stripped, configs.MILLRACE_PLAINTEXT), (OneProcess, configs.NGINX_PLAINTEXT))
H2 = ((Stripped, configs.MILLRACE_PLAINTEXT), (OneProcess, configs.NGINX_H2))
PROXY = ((Stripped, configs.MILLRACE_PROXY), (OneProcess, configs.NGINX_PROXY))
PROXY_H2 = ((Stripped, configs.MILLRACE_PROXY), (OneProcess, configs.NGINX_PROXY_H2))
SCENARIOS = {
    "plaintext": Counted("one request after the other on one connection", Sequence(), H1),
    "plaintext-64": Counted("the same on 64 connections at a time", Sequence(connections=64), H1),
    "browser-head": Counted("a browser's head of 700 bytes, on one connection",
                            Sequence(BROWSER_FIELDS), H1),
    "pipelined": Counted("sixteen at a time on one connection", Sequence(depth=DEPTH), H1),
    "h2": Counted("HTTP/2, 8 connections of 32 streams", Streams(), H2, version="2"),
    "proxy": Counted("one hop to an nginx backend, 32 connections", Sequence(connections=32), PROXY,
                     backend=configs.NGINX_PLAINTEXT),
    "proxy-h2-client": Counted("the same hop for HTTP/2, 8 connections of 32 streams", Streams(),
                               PROXY_H2, version="2", backend=configs.NGINX_PLAINTEXT),
}


def parse(text):
    """The instructions that callgrind counted."""
    match = re.search(r"^==\d+== Collected : (\d+)", text, re.MULTILINE)
    if not match:
        raise Failed(f"valgrind told no count:\n{text[-2000:]}")
    return int(match[1])


def start_backend(scenario, kind, placement, folder, cleanup):
    """As `kind` names it in its configuration; "" where there is none."""
    if not scenario.backend:
        return ""
    backend = Nginx(folder / "backend", scenario.backend)
    cleanup.callback(backend.stop)
    backend.start(placement, placement.backend)
    return backend.url if kind is Stripped else backend.url.partition("://")[2]


def count_run(kind, config, name, requests, keep=None):
    """All instructions of a server from its start to its end."""
    scenario = SCENARIOS[name]
    placement = cpu.Placement()
    with tempfile.TemporaryDirectory(prefix="millrace-load-") as folder:
        folder = pathlib.Path(folder)
        material.prepare(folder, tls=False)
        profile = folder / "profile"
        with contextlib.ExitStack() as cleanup:
            server = kind(folder / kind.name, config,
                          start_backend(scenario, kind, placement, folder, cleanup))
            cleanup.callback(server.stop)
            server.start(placement, placement.server,
                         [*VALGRIND, f"--callgrind-out-file={profile}"])
            check_answer(server, Scenario("", "", (), version=scenario.version))
            scenario.load.ask(server, requests)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(profile, keep / f"callgrind.{name}.{kind.name}")
        return parse(server.log.read_text())


def measure(name, requests, keep):
    """contender -> instructions per request"""
    found = {}
    for kind, config in SCENARIOS[name].contenders:
        once = count_run(kind, config, name, requests)
        twice = count_run(kind, config, name, 2 * requests, keep)
        found[kind.name] = (twice - once) / requests
        print(f"{name} {kind.name}: {found[kind.name]:,.0f}", file=sys.stderr, flush=True)
    return found


def markdown_of(facts, results):
    lines = ["### Instructions per request", "",
             f"In user space, counted by callgrind; the difference between {facts['requests']:,} "
             f"and twice as many requests, one thread. Commit {facts['commit']}.", "",
             "| | Millrace | nginx | ratio |", "|---|---:|---:|---:|"]
    for name, found in results.items():
        ours, peer = found["millrace"], found["nginx"]
        lines.append(f"| `{name}`: {SCENARIOS[name].about} | {ours:,.0f} | {peer:,.0f} | "
                     f"{ours / peer:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(
        prog="loadtest/instructions/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
        epilog="scenarios:\n" + "\n".join(f"  {n:15} {s.about}" for n, s in SCENARIOS.items()))
    parser.add_argument("scenario", nargs="*", help="default: all of them")
    parser.add_argument("--requests", type=int, default=2048, help="N (2048)")
    parser.add_argument("--profiles", type=pathlib.Path,
                        help="a folder that gets callgrind's profiles, for callgrind_annotate")
    options = parser.parse_args()
    if unknown := [name for name in options.scenario if name not in SCENARIOS]:
        parser.error(f"no scenario {unknown[0]}; there are {', '.join(SCENARIOS)}")
    if options.requests < 256 or options.requests % 256:
        parser.error("--requests is a multiple of 256")
    programs.require("valgrind", "strip", "taskset", "curl", "h2load")
    results = {name: measure(name, options.requests, options.profiles)
               for name in options.scenario or SCENARIOS}
    facts = {"requests": options.requests, "commit": report.commit()}
    text = markdown_of(facts, results)
    print(text)
    if options.scenario:
        print("nothing written: only a run of all scenarios is")
        return
    (RESULTS / "instructions.md").write_text(text)
    data = {**facts, "instructions_per_request": results}
    (RESULTS / "instructions.json").write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.SubprocessError, OSError) as error:
        sys.exit(f"loadtest/instructions/run: {error}")
