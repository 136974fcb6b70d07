"""h2load, for HTTP/2: by prior knowledge in cleartext, by ALPN over TLS. It tells the mean and the
maximum of the times, which are those of its own queue here: they are left out."""

import re
import subprocess
from dataclasses import dataclass

from side_by_side.load import GRACE_S, Load
from side_by_side.programs import Failed


def first(pattern, text):
    match = re.search(pattern, text)
    if not match:
        raise Failed(f"h2load printed something unexpected:\n{text}")
    return match


def parse(text):
    """What h2load printed; Failed when a single request went wrong."""
    counts = first(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, "
                   r"(\d+) errored, (\d+) timeout", text)
    done, succeeded, failed, errored, timeout = map(int, counts.groups())
    # Heads are counted too whose answers were not complete when the time was over.
    codes = first(r"status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    if failed or errored or timeout or succeeded != done or any(map(int, codes.groups())):
        raise Failed(f"h2load saw errors: {counts[0]}; {codes[0]}")
    if not done:
        raise Failed("h2load saw no answer")
    if not re.search(r"Application protocol: h2c?\n", text):
        raise Failed(f"h2load spoke something else than HTTP/2:\n{text}")
    return Load(done, float(first(r"finished in [^,]+, ([\d.]+) req/s", text)[1]))


@dataclass(frozen=True)
class H2load:
    connections: int = 8
    streams: int = 32
    tools = ("h2load",)

    def __str__(self):
        return f"{self.connections} connections of {self.streams} streams"

    def run(self, url, duration_s, placement):
        return self.drive(url, [f"-D{duration_s}"], duration_s + GRACE_S, placement)

    def drive(self, url, arguments, timeout_s, placement):
        command = ["h2load", "-t1", f"-c{self.connections}", f"-m{self.streams}", *arguments, url]
        result = subprocess.run(placement.pinned(placement.load, command), text=True,
                                capture_output=True, timeout=timeout_s, check=False)
        if result.returncode != 0:
            raise Failed(f"h2load ended with {result.returncode}: {result.stderr}{result.stdout}")
        return parse(result.stdout)
