"""What the heavy scenarios (sse_delay, big_bodies, wordcount, grayscale) share. They are for people
and releases, not for CI: each takes minutes or a gibibyte, and prints one Markdown table."""

import os
import pathlib
import platform
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "loadtest")]

import harness  # noqa: E402
from side_by_side import report  # noqa: E402

MIB = 1 << 20
GIB = 1 << 30


def processor_seconds(process):
    """User and system time of a harness.Process so far, together."""
    return sum(process.cpu_seconds())


class PeakMemory:
    """How far a process's resident memory rises above what it was, within a with block."""

    def __init__(self, process):
        self._directory = pathlib.Path(f"/proc/{process.pid}")
        self.growth = None  # bytes

    def __enter__(self):
        (self._directory / "clear_refs").write_text("5")  # the peak starts anew
        self._before = self._status("VmRSS")
        return self

    def __exit__(self, *_):
        self.growth = self._status("VmHWM") - self._before

    def _status(self, name):
        for line in (self._directory / "status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {name}")


def percentile(values, percent):
    """Of unsorted values, the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def table_text(title, method, columns, rows):
    """In Markdown: the first column is text, the others are figures."""
    machine = (f"Commit {report.commit()}; {len(os.sched_getaffinity(0))} x "
               f"{report.processor_model()}, Linux {platform.release()}.")
    lines = [f"### {title}", "", f"{method} {machine}", "", "| " + " | ".join(columns) + " |",
             "|---|" + "---:|" * (len(columns) - 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def table(title, method, columns, rows):
    """Prints it."""
    print(table_text(title, method, columns, rows), flush=True)


def note(text):
    """Progress, apart from the result."""
    print(text, file=sys.stderr, flush=True)


median = statistics.median
