"""wrk, for HTTP/1.1: cleartext and TLS."""

import re
import subprocess
from dataclasses import dataclass, field

from side_by_side.load import GRACE_S, Load
from side_by_side.programs import Failed

UNITS_US = {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}


def first(pattern, text):
    match = re.search(pattern, text)
    if not match:
        raise Failed(f"wrk printed something unexpected:\n{text}")
    return match


def percentile_us(percent, text):
    """None for 0, which wrk prints for pipelined requests that came with others."""
    match = first(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", text)
    return float(match[1]) * UNITS_US[match[2]] or None


def parse(text):
    """What wrk printed; Failed when a single request went wrong."""
    if match := re.search(r"Socket errors: .*|Non-2xx or 3xx responses: \d+", text):
        raise Failed(f"wrk saw errors: {match[0]}")
    return Load(
        requests=int(first(r"(\d+) requests in", text)[1]),
        requests_per_second=float(first(r"Requests/sec:\s+([\d.]+)", text)[1]),
        p50_us=percentile_us(50, text),
        p99_us=percentile_us(99, text),
    )


@dataclass(frozen=True)
class Wrk:
    connections: int = 64
    arguments: tuple = field(default=())
    tools = ("wrk",)

    def __str__(self):
        return f"{self.connections} connections"

    def run(self, url, duration_s, placement):
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{duration_s}s", "--latency",
                   *self.arguments, url]
        result = subprocess.run(placement.pinned(placement.load, command), text=True,
                                capture_output=True, timeout=duration_s + GRACE_S, check=False)
        if result.returncode != 0:
            raise Failed(f"wrk ended with {result.returncode}: {result.stderr}{result.stdout}")
        return parse(result.stdout)
