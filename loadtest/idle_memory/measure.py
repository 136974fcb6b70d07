"""Holds thousands of connections after one request each: resident memory of the server per
connection, and p99 of the requests of eight others: with none held, with as many held by another
process (what they cost the kernel and the machine), and meanwhile."""

import argparse
import contextlib
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from side_by_side import configs, cpu, material, programs, report
from side_by_side.check import check_answer
from side_by_side.memory import settled
from side_by_side.programs import Failed
from side_by_side.scenarios import Scenario
from side_by_side.servers import Millrace, Nginx, free_port
from side_by_side.wrk import Wrk

DESCRIPTORS = 20_000
CONNECTIONS_MAX = 18_000
WARM_UP_CONNECTIONS = 256
PROBE = Wrk(connections=8)
HOLD_TIMEOUT_S = 150
MODES = {  # name -> (scheme, version of HTTP, options of the client)
    "h1": ("http", "1.1", []),
    "h2": ("http", "2", ["--h2"]),
    "tls-h1": ("https", "1.1", ["--tls"]),
    "tls-h2": ("https", "2", ["--tls", "--h2"]),
}


class PatientMillrace(Millrace):
    """Listens in cleartext for the probe as well, on the first of its ports."""

    def __init__(self, directory, scheme):
        config = configs.MILLRACE_TLS if scheme == "https" else configs.MILLRACE_PLAINTEXT
        super().__init__(directory, f"[limits]\nconnections = {CONNECTIONS_MAX}\n" + config,
                         scheme=scheme, server='idle_timeout = "1h"')

    @classmethod
    def of(cls, directory, mode):
        return cls(directory, MODES[mode][0])

    @property
    def probe_url(self):
        ready = next(entry for line in self.log.read_text().splitlines()
                     if (entry := json.loads(line)).get("event") == "ready")
        return f"http://{ready['listen'][0]}/plaintext"


class PatientNginx(Nginx):
    """The same, with a server of its own for the probe."""

    listen = {"h1": "", "h2": " http2", "tls-h1": " ssl", "tls-h2": " ssl http2"}

    @classmethod
    def of(cls, directory, mode):
        probe = free_port()
        main = configs.nginx_plaintext(
            cls.listen[mode], more=configs.NGINX_CERTIFICATE if "tls" in mode else "")
        other = configs.nginx_plaintext().replace("{port}", str(probe))
        config = ("keepalive_timeout 1h;\n" + main + other.replace("access_log off;", ""))
        self = cls(directory, config, scheme=MODES[mode][0], connections=DESCRIPTORS - 1000)
        self.probe_url = f"http://127.0.0.1:{probe}/plaintext"
        return self


@dataclass
class Figures:
    bytes_each: float
    p99_before_us: float
    p99_elsewhere_us: float
    p99_held_us: float

    @property
    def p99s(self):
        return self.p99_before_us, self.p99_elsewhere_us, self.p99_held_us


@contextlib.contextmanager
def held(server, mode, count, placement):
    """So many idle connections; all of them must still be open at the end."""
    command = [programs.connections(), "hold", str(server.port), f"--count={count}",
               *MODES[mode][2]]
    client = subprocess.Popen(placement.pinned(placement.load, command), text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    try:
        line = client.stdout.readline()  # the client gives up by itself
        if not line or json.loads(line)["held"] != count:
            raise Failed(f"{server.name} {mode}: {client.communicate()[1].strip()}")
        yield
        rest, _ = client.communicate(timeout=HOLD_TIMEOUT_S)
        if (closed := json.loads(rest)["closed"]) != 0:
            raise Failed(f"{server.name} {mode}: {closed} of {count} connections were closed")
    finally:
        client.kill()
        client.wait()


def measure(kind, mode, options, placement):
    scheme, version, _ = MODES[mode]
    with tempfile.TemporaryDirectory(prefix="millrace-load-") as folder:
        folder = pathlib.Path(folder)
        material.prepare(folder, tls=scheme == "https")
        server = kind.of(folder / kind.name, mode)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(server.stop)
            server.start(placement, placement.server)
            check_answer(server, Scenario("", "", (), scheme=scheme, version=version))
            with held(server, mode, WARM_UP_CONNECTIONS, placement):
                PROBE.run(server.probe_url, 1, placement)
            before = median_p99_us(server, options, placement)
            elsewhere = p99_with_others_held(kind, mode, server, options, placement, folder)
            resident = settled(server.pid)
            with held(server, mode, options.connections, placement):
                growth = settled(server.pid) - resident
                during = median_p99_us(server, options, placement)
            return Figures(growth / options.connections, before, elsewhere, during)


def p99_with_others_held(kind, mode, server, options, placement, folder):
    other = kind.of(folder / "other", mode)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(other.stop)
        other.start(placement, placement.server)
        with held(other, mode, options.connections, placement):
            return median_p99_us(server, options, placement)


def median_p99_us(server, options, placement):
    return statistics.median(PROBE.run(server.probe_url, options.duration, placement).p99_us
                             for _ in range(options.rounds))


def markdown_of(options, results):
    lines = [f"### Memory per idle connection, {options.connections:,} of them", "",
             "Growth of resident memory from before the first to after the last, each of which has "
             "had one request answered; nginx has set its tables aside before (424 bytes each). "
             "p99 is that of 8 others (wrk, HTTP/1.1 in cleartext) while none are held, while they "
             "are held by another process of the same kind, and while they are held by this one: "
             f"medians of {options.rounds}. "
             f"Commit {report.commit()}.", "",
             "| | Millrace bytes | nginx bytes | ratio | Millrace p99 us: none, elsewhere, here "
             "| nginx p99 us |",
             "|---|---:|---:|---:|---:|---:|"]
    for mode, (ours, peer) in results.items():
        lines.append(
            f"| `{mode}` | {ours.bytes_each:,.0f} | {peer.bytes_each:,.0f} | "
            f"{ours.bytes_each / peer.bytes_each:.2f} | "
            f"{', '.join(f'{p99:,.0f}' for p99 in ours.p99s)} | "
            f"{', '.join(f'{p99:,.0f}' for p99 in peer.p99s)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="loadtest/idle_memory/run", description=__doc__)
    parser.add_argument("mode", nargs="*", help=f"{', '.join(MODES)}; default: all")
    parser.add_argument("--connections", type=int, default=15_000)
    parser.add_argument("--duration", type=int, default=3, help="seconds of each p99 (3)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts (5)")
    options = parser.parse_args()
    if unknown := [mode for mode in options.mode if mode not in MODES]:
        parser.error(f"no mode {unknown[0]}; there are {', '.join(MODES)}")
    if not WARM_UP_CONNECTIONS < options.connections < CONNECTIONS_MAX:
        parser.error(f"--connections is between {WARM_UP_CONNECTIONS} and {CONNECTIONS_MAX}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if options.connections > wanted - 500:
        raise Failed(f"a process may open {wanted} descriptors here: --connections is too many")
    programs.require("wrk", "taskset", "curl", "openssl")
    placement, results = cpu.Placement(), {}
    for mode in options.mode or MODES:
        results[mode] = []
        for kind in (PatientMillrace, PatientNginx):
            figures = measure(kind, mode, options, placement)
            results[mode].append(figures)
            print(f"{mode} {kind.name}: {figures.bytes_each:,.0f} bytes", file=sys.stderr)
    print(markdown_of(options, results))


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.SubprocessError, OSError) as error:
        sys.exit(f"loadtest/idle_memory/run: {error}")
