"""Runs the scenarios: all contenders of one are up at the same time and take turns under load."""

import argparse
import contextlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from side_by_side import cpu, report, wrk
from side_by_side.scenarios import SCENARIOS
from side_by_side.servers import ROOT, Failed, Nginx

WARM_UP_S = 1
CHECK_TIMEOUT_S = 5


def check_answer(server, scenario):
    """A contender that answers something else would win for nothing."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(server.url + scenario.path, timeout=CHECK_TIMEOUT_S) as response:
            body = response.read()
    except OSError as error:
        raise Failed(f"{server.name} does not answer {scenario.path}: {error}") from error
    if body != scenario.body:
        raise Failed(f"{server.name} answers {body!r} instead of {scenario.body!r}")


def measure(server, scenario, number, duration_s, placement):
    user_before, system_before = cpu.consumed(server.pid)
    load = wrk.run(server.url + scenario.path, scenario, duration_s, placement)
    user, system = cpu.consumed(server.pid)
    return report.Run(number, load.requests, load.requests_per_second, load.p50_us, load.p99_us,
                      (user - user_before) * 1e6 / load.requests,
                      (system - system_before) * 1e6 / load.requests)


def run_scenario(scenario, arguments, placement, directory, cleanup):
    """Starts the backend and the contenders, then lets these take turns; who begins alternates."""
    backend = ""
    if scenario.backend:
        origin = Nginx(directory / "backend", scenario.backend)
        cleanup.callback(origin.stop)
        origin.start(placement, placement.backend)
        backend = origin.url
    contenders = []
    for kind, config in scenario.contenders:
        # nginx names a backend without its scheme.
        target = backend.removeprefix("http://") if issubclass(kind, Nginx) else backend
        server = kind(directory / kind.name, config, target)
        cleanup.callback(server.stop)
        server.start(placement, placement.server)
        check_answer(server, scenario)
        wrk.run(server.url + scenario.path, scenario, WARM_UP_S, placement)
        contenders.append(server)

    result = report.Result(scenario, {s.name: s.version() for s in contenders},
                           {s.name: [] for s in contenders})
    for number in range(arguments.rounds):
        turn = contenders if number % 2 == 0 else contenders[::-1]
        for server in turn:
            run = measure(server, scenario, number, arguments.duration, placement)
            result.runs[server.name].append(run)
            print(f"{scenario.name} {number + 1}/{arguments.rounds} {server.name}: "
                  f"{run.requests_per_second:,.0f} requests/s, {run.cpu_us:.2f} us CPU each",
                  file=sys.stderr, flush=True)
    return result


def parse_arguments():
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(
        prog="loadtest/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Millrace and its peers side by side on this machine.",
        epilog="scenarios:\n" + "\n".join(f"  {s.name:15} {s.about}" for s in SCENARIOS))
    parser.add_argument("scenario", nargs="*", help="default: all of them")
    parser.add_argument("--duration", type=int, default=4, help="seconds per run (4)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender (5)")
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
    if missing := [name for name in ("wrk", "taskset") if not shutil.which(name)]:
        raise Failed(f"{missing[0]} is missing: run scripts/setup --test")
    placement = cpu.Placement()
    chosen = [s for s in SCENARIOS if not arguments.scenario or s.name in arguments.scenario]
    results = []
    for scenario in chosen:
        with tempfile.TemporaryDirectory(prefix="millrace-load-") as directory:
            with contextlib.ExitStack() as cleanup:
                results.append(run_scenario(scenario, arguments, placement,
                                            pathlib.Path(directory), cleanup))
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
