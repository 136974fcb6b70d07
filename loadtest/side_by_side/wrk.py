"""wrk, for HTTP/1.1: cleartext and TLS."""

import pathlib
import re
import subprocess
from dataclasses import dataclass, field

from side_by_side.load import GRACE_S, Load
from side_by_side.programs import Failed

FOLDER = pathlib.Path(__file__).parent
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
    """`script`: a Lua file beside this one, and `values` its arguments."""

    connections: int = 64
    arguments: tuple = field(default=())
    script: str = ""
    values: tuple = field(default=())
    tools = ("wrk",)

    def __str__(self):
        return f"{self.connections} connections"

    def run(self, url, duration_s, placement):
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{duration_s}s", "--latency",
                   *self.arguments, *self._script(), url, "--", *map(str, self.values)]
        result = subprocess.run(placement.pinned(placement.load, command), text=True,
                                capture_output=True, timeout=duration_s + GRACE_S, check=False)
        if result.returncode != 0:
            raise Failed(f"wrk ended with {result.returncode}: {result.stderr}{result.stdout}")
        return parse(result.stdout)

    def _script(self):
        return ("--script", str(FOLDER / self.script)) if self.script else ()


def paced(rate, connections=64):
    """A load of about `rate` requests per second: a little less, for the time of the answers."""
    return Paced(connections, script="paced.lua", values=(round(connections / rate * 1e3, 3),))


class Paced(Wrk):
    """Its latencies are those of requests that were sent, after the wait."""

    def __str__(self):
        return f"{self.connections} connections that wait {self.values[0]} ms between requests"
