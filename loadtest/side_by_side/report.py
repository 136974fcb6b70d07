"""Medians, ratios, Markdown and JSON."""

import dataclasses
import json
import os
import platform
import statistics
import subprocess
import time
from dataclasses import dataclass

from side_by_side.programs import ROOT


@dataclass
class Run:
    """One run of the load generator against one contender."""

    round: int
    requests: int
    requests_per_second: float
    p50_us: float  # None, as p99_us: the load generator does not say
    p99_us: float
    user_us: float  # processor time of the server per request
    system_us: float

    @property
    def cpu_us(self):
        return self.user_us + self.system_us


BACKEND = "backend"  # the name of a contender that is no proxy but what the others ask
METRICS = ("requests_per_second", "p50_us", "p99_us", "user_us", "system_us", "cpu_us")


@dataclass
class Result:
    scenario: object
    versions: dict  # contender -> version
    runs: dict  # contender -> [Run], in rounds

    def median(self, name, metric):
        values = [getattr(run, metric) for run in self.runs[name]]
        return None if None in values else statistics.median(values)

    def added(self, name, metric):
        """The median of the rounds' differences to the backend; None where it is no contender."""
        pairs = [(getattr(a, metric), getattr(b, metric))
                 for a, b in zip(self.runs[name], self.runs.get(BACKEND, []))]
        if not pairs or any(None in pair for pair in pairs):
            return None
        return statistics.median(a - b for a, b in pairs)

    def ratio(self, name, other, metric):
        """The median of the rounds' ratios: both runs of a round saw the same machine."""
        pairs = [(getattr(a, metric), getattr(b, metric))
                 for a, b in zip(self.runs[name], self.runs[other])]
        ratios = [ratio_of(a, b) for a, b in pairs if None not in (a, b)]
        return None if len(ratios) < len(pairs) or None in ratios else statistics.median(ratios)


def ratio_of(a, b):
    return a / b if b else None


def p99_ms(times):
    """Of seconds; NaN when there are none."""
    if not times:
        return float("nan")
    return sorted(times)[max(0, -(-len(times) * 99 // 100) - 1)] * 1e3


def peers_of(names):
    """What the first is compared with."""
    return [name for name in names[1:] if name != BACKEND]


def shown(value, digits=2):
    return "-" if value is None else f"{value:,.{digits}f}"


def markdown_of(result):
    """One table: a row per contender, then a row of ratios per peer."""
    lines = [
        f"### {result.scenario.name}",
        "",
        f"{result.scenario.about}; {result.scenario.load}, medians of "
        f"{len(next(iter(result.runs.values())))} alternating runs.",
        "",
        "| | requests/s | p50 us | p99 us | CPU us/request | user | system |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    names = list(result.runs)
    for name in names:
        m = {metric: result.median(name, metric) for metric in METRICS}
        lines.append(
            f"| {result.versions[name]} | {shown(m['requests_per_second'], 0)} | "
            f"{shown(m['p50_us'], 0)} | {shown(m['p99_us'], 0)} | {shown(m['cpu_us'])} | "
            f"{shown(m['user_us'])} | {shown(m['system_us'])} |")
    for other in peers_of(names):
        r = {metric: result.ratio(names[0], other, metric) for metric in METRICS}
        lines.append(
            f"| **{names[0]} / {other}** | {shown(r['requests_per_second'])} | "
            f"{shown(r['p50_us'])} | {shown(r['p99_us'])} | **{shown(r['cpu_us'])}** | "
            f"{shown(r['user_us'])} | {shown(r['system_us'])} |")
    added = [f"{name} {shown(result.added(name, 'p50_us'), 0)} and "
             f"{shown(result.added(name, 'p99_us'), 0)} us" for name in names if name != BACKEND]
    if BACKEND in names:
        lines += ["", f"Added to the backend's own p50 and p99: {', '.join(added)}."]
    return "\n".join(lines) + "\n"


def json_of(result):
    names = list(result.runs)
    return {
        "scenario": result.scenario.name,
        "load": str(result.scenario.load),
        "versions": result.versions,
        "medians": {n: {m: result.median(n, m) for m in METRICS} for n in names},
        "ratios": {o: {m: result.ratio(names[0], o, m) for m in METRICS} for o in peers_of(names)},
        "added": {n: {m: result.added(n, m) for m in ("p50_us", "p99_us")}
                  for n in names if BACKEND in names and n != BACKEND},
        "runs": {n: [dataclasses.asdict(run) for run in result.runs[n]] for n in names},
    }


def processor_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next((line.split(":", 1)[1].strip() for line in file
                         if line.startswith("model name")), platform.machine())
    except OSError:
        return platform.machine()


def commit():
    result = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], text=True,
                            capture_output=True, check=False)
    return result.stdout.strip() or "unknown"


def machine(placement, duration_s):
    return {
        "processor": processor_model(),
        "processors": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "commit": commit(),
        "placement": str(placement),
        "duration_s": duration_s,
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def heading(facts):
    return (f"# Side by side, {facts['date']}\n\n"
            f"Commit {facts['commit']}; {facts['processors']} x {facts['processor']}, Linux "
            f"{facts['kernel']}; {facts['placement']}; {facts['duration_s']} s per run, one worker "
            "thread or process per server.\nRatios are medians of the rounds' own ratios; under 1 "
            "is less than the peer.\n")


def write(folder, facts, results):
    """Writes <time>.md and <time>.json; returns the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / time.strftime("%Y%m%d-%H%M%S")
    tables = "\n".join(markdown_of(result) for result in results)
    stem.with_suffix(".md").write_text(heading(facts) + "\n" + tables)
    data = {"machine": facts, "results": [json_of(result) for result in results]}
    stem.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
    return stem.with_suffix(".md")
