"""Runs the scenarios: all contenders of one are up at the same time and take turns under load."""

import argparse
import contextlib
import dataclasses
import pathlib
import subprocess
import sys
import tempfile

from side_by_side import cpu, material, programs, report
from side_by_side.check import check_answer
from side_by_side.programs import ROOT, Failed
from side_by_side.scenarios import SCENARIOS
from side_by_side.servers import Millrace, Nginx
from side_by_side.wrk import paced

WARM_UP_S = 1


def note(text):
    print(text, file=sys.stderr, flush=True)


def measure(server, scenario, number, duration_s, placement):
    user_before, system_before = cpu.consumed(server.pid)
    load = scenario.load.run(server.url + scenario.path, duration_s, placement)
    user, system = cpu.consumed(server.pid)
    return report.Run(number, load.requests, load.requests_per_second, load.p50_us, load.p99_us,
                      (user - user_before) * 1e6 / load.requests,
                      (system - system_before) * 1e6 / load.requests)


def start_backend(scenario, placement, directory, cleanup):
    if scenario.backend_scheme == "https":
        material.prepare_service(directory)
    backend = Nginx(directory / "backend", scenario.backend, scheme=scenario.backend_scheme)
    backend.name = report.BACKEND
    cleanup.callback(backend.stop)
    backend.start(placement, placement.backend)
    return backend


def version_of(server, backend):
    return f"the backend, {server.version()}" if server is backend else server.version()


def start_contenders(scenario, backend, placement, directory, cleanup):
    """Those that are here, each having given the right answer."""
    contenders = []
    url = backend.url if backend else ""
    for kind, config in scenario.contenders:
        if not kind.program():
            if kind in (Millrace, Nginx):
                raise Failed(f"{kind.name} is missing: run scripts/build and scripts/setup --test")
            note(f"{scenario.name}: {kind.name} is not here, measured without it")
            continue
        # The peers name a backend without its scheme.
        target = url if kind is Millrace else url.partition("://")[2]
        server = kind(directory / kind.name, config, target, scenario.scheme)
        cleanup.callback(server.stop)
        server.start(placement, placement.server)
        check_answer(server, scenario)
        contenders.append(server)
    return contenders


def run_scenario(scenario, arguments, placement, directory, cleanup):
    """Starts the backend and the contenders, then lets these take turns; who begins alternates.
    None when only the answers were to be looked at."""
    material.prepare(directory, tls=scenario.scheme == "https")
    backend = (start_backend(scenario, placement, directory, cleanup) if scenario.backend
               else None)
    contenders = start_contenders(scenario, backend, placement, directory, cleanup)
    if arguments.check:
        note(f"{scenario.name}: {', '.join(s.name for s in contenders)} answer as they should")
        return None
    reached = [scenario.load.run(s.url + scenario.path, WARM_UP_S, placement).requests_per_second
               for s in contenders]
    if scenario.half_load:
        scenario = dataclasses.replace(scenario, load=paced(min(reached) / 2))
        contenders.append(backend)

    result = report.Result(scenario, {s.name: version_of(s, backend) for s in contenders},
                           {s.name: [] for s in contenders})
    for number in range(arguments.rounds):
        turn = contenders if number % 2 == 0 else contenders[::-1]
        for server in turn:
            run = measure(server, scenario, number, arguments.duration, placement)
            result.runs[server.name].append(run)
            note(f"{scenario.name} {number + 1}/{arguments.rounds} {server.name}: "
                 f"{run.requests_per_second:,.0f} requests/s, {run.cpu_us:.2f} us CPU each")
    return result


def parse_arguments():
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(
        prog="loadtest/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Millrace and its peers side by side on this machine.",
        epilog="scenarios:\n" + "\n".join(f"  {s.name:18} {s.about}" for s in SCENARIOS))
    parser.add_argument("scenario", nargs="*", help="default: all of them")
    parser.add_argument("--duration", type=int, default=4, help="seconds per run (4)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender (5)")
    parser.add_argument("--check", action="store_true",
                        help="only look whether every contender gives the right answer")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "loadtest" / "results",
                        help="folder of the results (loadtest/results)")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.scenario if name not in names]:
        parser.error(f"no scenario {unknown[0]}; there are {', '.join(names)}")
    if arguments.rounds < 1 or arguments.duration < 1:
        parser.error("--rounds and --duration are at least 1")
    return arguments


def main():
    arguments = parse_arguments()
    chosen = [s for s in SCENARIOS if not arguments.scenario or s.name in arguments.scenario]
    programs.require("taskset", "curl", *(tool for s in chosen for tool in s.load.tools))
    placement = cpu.Placement()
    results = []
    for scenario in chosen:
        with tempfile.TemporaryDirectory(prefix="millrace-load-") as directory:
            with contextlib.ExitStack() as cleanup:
                results.append(run_scenario(scenario, arguments, placement,
                                            pathlib.Path(directory), cleanup))
    if arguments.check:
        return 0
    facts = report.machine(placement, arguments.duration)
    path = report.write(arguments.output, facts, results)
    print(path.read_text())
    print(f"written to {path} and {path.with_suffix('.json')}")
    return 0


try:
    sys.exit(main())
except (Failed, subprocess.TimeoutExpired, OSError) as error:
    print(f"loadtest/run: {error}", file=sys.stderr)
    sys.exit(1)
except KeyboardInterrupt:
    sys.exit(130)
