"""Attacks on HTTP/2, one after the other, against a server that was started for each."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import victim
from attacks import ATTACKS
from side_by_side import configs, cpu, material, memory, programs, report
from side_by_side.check import check_answer
from side_by_side.programs import Failed
from side_by_side.report import p99_ms
from side_by_side.scenarios import Scenario
from side_by_side.servers import Millrace, Nginx

FOLDER = pathlib.Path(__file__).resolve().parent
LARGE = "x" * 32768

MILLRACE = configs.MILLRACE_PLAINTEXT + f"""\
[[route]]
match = {{ path = "/large" }}
respond = {{ status = 200, body = "{LARGE}" }}
"""

NGINX = configs.nginx_plaintext(" http2", more="root {shared}/htdocs;")
CONTENDERS = ((Millrace, MILLRACE), (Nginx, NGINX))


@dataclass
class Figures:
    answered: float  # share of the requests
    p99_before_ms: float
    p99_ms: float
    growth_bytes: int
    processor: float  # share of one
    sent_bytes_per_second: float
    opened: int  # connections of the attacker

    @property
    def slower(self):
        return self.p99_ms / self.p99_before_ms


def attack(server, name, connections, seconds, placement):
    before, failures = victim.ask_for(server.port, min(5, seconds))
    if failures:
        raise Failed(f"{server.name} does not answer all requests before the attack")
    peak, used = memory.Peak(server.pid), sum(cpu.consumed(server.pid))
    peak.start()
    command = [sys.executable, str(FOLDER / "attacker.py"), str(server.port), name,
               str(connections), str(seconds)]
    begun = time.monotonic()
    attacker = subprocess.Popen(placement.pinned(placement.load, command), text=True,
                                stdout=subprocess.PIPE)
    try:
        times, failures = victim.ask_for(server.port, seconds)
        output, _ = attacker.communicate(timeout=seconds + 30)
    finally:
        attacker.kill()
        attacker.wait()
        peak.end()
    took = time.monotonic() - begun
    if not server.alive():
        raise Failed(f"{server.name} did not survive {name}:\n{server.log.read_text()[-2000:]}")
    did = json.loads(output)
    return Figures(len(times) / (len(times) + failures), p99_ms(before), p99_ms(times),
                   peak.growth, (sum(cpu.consumed(server.pid)) - used) / took,
                   did["sent_bytes"] / seconds, did["opened"])


def run(kind, config, name, connections, seconds, placement):
    with tempfile.TemporaryDirectory(prefix="millrace-load-") as folder:
        folder = pathlib.Path(folder)
        material.prepare(folder, tls=False)
        (folder / "htdocs" / "large").write_text(LARGE)
        server = kind(folder / kind.name, config)
        try:
            server.start(placement, placement.server)
            check_answer(server, Scenario("", "", (), version="2"))
            check_answer(server, Scenario("", "", (), version="2", path="/large",
                                          body=LARGE.encode()))
            return attack(server, name, connections, seconds, placement)
        finally:
            server.stop()


def cells_of(figures):
    return (f"{figures.answered * 100:.1f} | {figures.p99_ms:.1f} | {figures.slower:.1f} | "
            f"{figures.growth_bytes / memory.MIB:.1f} | {figures.processor * 100:.0f} | "
            f"{figures.opened:,}")


def markdown_of(options, results):
    columns = "answered % | p99 ms | times before | RSS growth MiB | CPU % | connections"
    lines = ["### Attacks on HTTP/2", "",
             f"{options.seconds:g} s each, from so many connections at a time; a client that behaves asks "
             "100 times a second. Per server: its share of answers, its p99 and how many times "
             "that is the p99 without an attack; the peak of resident memory above what it was; "
             f"processor time; connections that the attacker needed. Commit {report.commit()}.", "",
             f"| attack | from | Millrace: {columns} |"
             + ("" if options.alone else f" nginx: {columns} |"),
             "|---|" + "---:|" * (7 if options.alone else 13)]
    for (name, connections), row in results.items():
        lines.append(f"| `{name}` | {connections} | {' | '.join(map(cells_of, row))} |")
    return "\n".join(lines)


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="loadtest/h2_attacks/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
        epilog="attacks:\n" + "\n".join(f"  {n:24} {a.about}" for n, a in ATTACKS.items()))
    parser.add_argument("attack", nargs="*", help="default: all of them")
    parser.add_argument("--seconds", type=float, default=30, help="of each attack (30)")
    parser.add_argument("--connections", default="1,50",
                        help="of the attacker at a time, one run each (1,50)")
    parser.add_argument("--alone", action="store_true", help="Millrace without nginx beside it")
    options = parser.parse_args()
    if unknown := [name for name in options.attack if name not in ATTACKS]:
        parser.error(f"no attack {unknown[0]}; there are {', '.join(ATTACKS)}")
    options.connections = [int(count) for count in options.connections.split(",")]
    return options


def main():
    options = parse_arguments()
    programs.require("taskset", "curl")
    placement, results = cpu.Placement(), {}
    # The client that behaves is this process: beside the attacker, who is nicer, not the server.
    os.sched_setaffinity(0, {placement.load})
    for name in options.attack or ATTACKS:
        for connections in options.connections:
            row = []
            for kind, config in CONTENDERS[: 1 if options.alone else 2]:
                figures = run(kind, config, name, connections, options.seconds, placement)
                row.append(figures)
                print(f"{name} from {connections}, {kind.name}: {figures.answered * 100:.1f} % "
                      f"answered, p99 {figures.p99_ms:.1f} ms ({figures.p99_before_ms:.1f}), "
                      f"{figures.growth_bytes / memory.MIB:+.1f} MiB, CPU {figures.processor:.2f}, "
                      f"{figures.sent_bytes_per_second / memory.MIB:.1f} MiB/s, "
                      f"{figures.opened} connections", file=sys.stderr, flush=True)
            results[name, connections] = row
    print(markdown_of(options, results))


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.SubprocessError, OSError) as error:
        sys.exit(f"loadtest/h2_attacks/run: {error}")
