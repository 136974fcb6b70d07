"""Slow clients, ten thousand at a time, against a server in its default configuration; a client
that behaves opens a connection and asks 100 times a second."""

import argparse
import json
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from dawdler import KINDS
from side_by_side import configs, cpu, memory, programs, report
from side_by_side.programs import Failed
from side_by_side.report import p99_ms
from side_by_side.servers import Millrace

FOLDER = pathlib.Path(__file__).resolve().parent
REQUEST = b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ANSWER_END = b"\r\n\r\nHello, World!"
INTERVAL_S = 0.01
PROBE_TIMEOUT_S = 5
HOLD_TIMEOUT_S = 120
CONFIG = configs.MILLRACE_PLAINTEXT + '''
[[route]]
match = { path = "/*" }
endpoint = "all"
'''


@dataclass
class Figures:
    answered: float  # share of the requests
    p99_before_ms: float
    p99_ms: float
    growth_bytes: int
    processor: float  # share of one
    held_min: int
    sent_away: int


def ask(port):
    """Seconds until the answer, None without one."""
    begun = time.perf_counter()
    try:
        with socket.create_connection(("127.0.0.1", port), PROBE_TIMEOUT_S) as client:
            client.sendall(REQUEST)
            answer = b""
            while piece := client.recv(65536):
                answer += piece
    except OSError:
        return None
    right = answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(ANSWER_END)
    return time.perf_counter() - begun if right else None


def probe(port, seconds):
    """(times of those answered, number of those not answered)"""
    times, failures = [], 0
    due = begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        time.sleep(max(0, due - time.monotonic()))
        due = max(due + INTERVAL_S, time.monotonic())
        took = ask(port)
        if took is None:
            failures += 1
        else:
            times.append(took)
    return times, failures


def measure(server, kind, options, placement):
    before, failures = probe(server.port, min(5, options.seconds))
    if failures:
        raise Failed(f"{failures} requests were not answered before there was anybody slow")
    peak = memory.Peak(server.pid)
    peak.start()
    command = [sys.executable, str(FOLDER / "dawdler.py"), str(server.port), kind,
               str(options.connections)]
    dawdler = subprocess.Popen(placement.pinned(placement.load, command), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if not dawdler.stdout.readline():
            raise Failed("the slow clients did not come to be held")
        used, begun = sum(cpu.consumed(server.pid)), time.monotonic()
        times, failures = probe(server.port, options.seconds)
        took = time.monotonic() - begun
        processor = (sum(cpu.consumed(server.pid)) - used) / took
        output, _ = dawdler.communicate(timeout=HOLD_TIMEOUT_S)
    finally:
        dawdler.kill()
        dawdler.wait()
        peak.end()
    did = json.loads(output)
    return Figures(len(times) / (len(times) + failures), p99_ms(before), p99_ms(times),
                   peak.growth, processor, did["held_min"], did["sent_away"])


def run(kind, options, placement):
    with tempfile.TemporaryDirectory(prefix="millrace-load-") as folder:
        server = Millrace(pathlib.Path(folder) / "millrace", CONFIG)
        try:
            server.start(placement, placement.server)
            return measure(server, kind, options, placement)
        finally:
            server.stop()


def markdown_of(options, results):
    lines = ["### Slow clients", "",
             f"{options.connections:,} at a time for {options.seconds:g} s, a new one for every one "
             "that was sent away; each does something every five seconds. A client that behaves "
             "connects and asks 100 times a second. Default timeouts, one I/O thread. "
             f"Commit {report.commit()}.", "",
             "| slow | answered % | p99 ms | without | RSS growth MiB | CPU % | fewest held "
             "| sent away |",
             "|---|" + "---:|" * 7]
    for kind, f in results.items():
        lines.append(f"| {KINDS[kind].about} | {f.answered * 100:.2f} | {f.p99_ms:.1f} | "
                     f"{f.p99_before_ms:.1f} | {f.growth_bytes / memory.MIB:.1f} | "
                     f"{f.processor * 100:.0f} | {f.held_min:,} | {f.sent_away:,} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="loadtest/slow_clients/run", description=__doc__)
    parser.add_argument("kind", nargs="*", help=f"{', '.join(KINDS)}; default: all")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30, help="of each kind (30)")
    options = parser.parse_args()
    if unknown := [kind for kind in options.kind if kind not in KINDS]:
        parser.error(f"no kind {unknown[0]}; there are {', '.join(KINDS)}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = options.connections + 1000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Failed(f"a process may open {hard} descriptors here: --connections is too many")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    programs.require("taskset")
    placement, results = cpu.Placement(), {}
    # The client that behaves is this process: beside the slow ones, not the server.
    os.sched_setaffinity(0, {placement.load})
    for kind in options.kind or KINDS:
        results[kind] = f = run(kind, options, placement)
        print(f"{kind}: {f}", file=sys.stderr, flush=True)
    print(markdown_of(options, results))


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.SubprocessError, OSError) as error:
        sys.exit(f"loadtest/slow_clients/run: {error}")
