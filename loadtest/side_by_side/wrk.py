"""One run of wrk against one URL."""

import re
import subprocess
from dataclasses import dataclass

from side_by_side.servers import Failed

UNITS_US = {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}
GRACE_S = 30


@dataclass
class Load:
    requests: int
    requests_per_second: float
    p50_us: float
    p99_us: float


def first(pattern, text):
    match = re.search(pattern, text)
    if not match:
        raise Failed(f"wrk printed something unexpected:\n{text}")
    return match


def percentile_us(percent, text):
    match = first(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", text)
    return float(match[1]) * UNITS_US[match[2]]


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


def run(url, scenario, duration_s, placement):
    command = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{duration_s}s", "--latency",
               *scenario.wrk_arguments, url]
    result = subprocess.run(placement.pinned(placement.load, command), text=True,
                            capture_output=True, timeout=duration_s + GRACE_S, check=False)
    if result.returncode != 0:
        raise Failed(f"wrk ended with {result.returncode}: {result.stderr}{result.stdout}")
    return parse(result.stdout)
