"""Runs runtime_bench and its Go twin in turns and compares the medians. Started by ./run.

Times are CPU times on both sides (Google Benchmark's items_per_second counts CPU time).
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

# (benchmark, figure, what the table calls it, format)
ROWS = [
    ("spawn_join", "ns", "spawn + join, one at a time", "{:.1f} ns"),
    ("spawn_join_1000", "ns", "spawn + join, a thousand at a time", "{:.1f} ns"),
    ("rendezvous_switch", "ns", "switch over a rendezvous channel", "{:.1f} ns"),
    ("buffered_item", "ns", "item through a channel of 64", "{:.1f} ns"),
    ("parked", "bytes", "resident memory per parked task, of a million", "{:.0f} B"),
    ("parked", "ns", "start, park, wake and end, each of a million", "{:.0f} ns"),
]
NAMES = list(dict.fromkeys(name for name, *_ in ROWS))


def run_pinned(core, command):
    return subprocess.run(
        ["taskset", "-c", str(core), *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "GOMAXPROCS": "1"},
    ).stdout


def run_ours(core, binary, name):
    output = run_pinned(
        core,
        [binary, f"--benchmark_filter=^{name}(/.*)?$", "--benchmark_min_time=0.3", "--benchmark_format=json"],
    )
    (result,) = json.loads(output)["benchmarks"]
    figures = {"ns": 1e9 / result["items_per_second"]}
    if "bytes_per_task" in result:
        figures["bytes"] = result["bytes_per_task"]
    return figures


def run_go(core, binary, name):
    return json.loads(run_pinned(core, [binary, name]))[name]


def measure(options):
    """{"ours": {name: [figures of each run]}, "go": ...}: alternating, one process per figure."""
    samples = {"ours": {n: [] for n in NAMES}, "go": {n: [] for n in NAMES}}
    for run in range(options.runs):
        print(f"run {run + 1} of {options.runs}", file=sys.stderr)
        for name in NAMES:
            samples["ours"][name].append(run_ours(options.core, options.ours, name))
            samples["go"][name].append(run_go(options.core, options.go, name))
    return samples


def table(samples, runs, go_version):
    lines = [
        f"| CPU time on one core, medians of {runs} alternating runs | Millrace | {go_version} | ratio |",
        "|---|---:|---:|---:|",
    ]
    behind = []
    for name, figure, text, form in ROWS:
        ours, theirs = (statistics.median(s[figure] for s in samples[side][name]) for side in ("ours", "go"))
        lines.append(f"| {text} | {form.format(ours)} | {form.format(theirs)} | {ours / theirs:.2f} |")
        if ours >= theirs:
            behind.append(text)
    return "\n".join(lines), behind


def main():
    parser = argparse.ArgumentParser(prog="loadtest/runtime_vs_go/run")
    parser.add_argument("--ours", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--go", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--results", required=True, type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    options = parser.parse_args()

    version = subprocess.run(["go", "env", "GOVERSION"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    samples = measure(options)
    text, behind = table(samples, options.runs, version.replace("go", "Go "))
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "runtime_vs_go.md").write_text(text + "\n")
    (options.results / "runtime_vs_go.json").write_text(json.dumps({"go": version, "runs": samples}, indent=1) + "\n")
    print(text)
    if behind:
        sys.exit("not under Go's figure: " + "; ".join(behind))


if __name__ == "__main__":
    main()
