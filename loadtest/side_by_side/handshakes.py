"""TLS 1.3 handshakes, each followed by one request and the end of the connection; full ones, or
resumed by the tickets of earlier ones (clients/connections.cpp)."""

import json
import subprocess
import sys
from dataclasses import dataclass

from side_by_side import programs
from side_by_side.load import GRACE_S, Load
from side_by_side.programs import Failed


def parse(text, resume):
    """What the client printed; Failed when handshakes were not of the kind asked for."""
    try:
        figures = json.loads(text)
        count, resumed = figures["connections"], figures["resumed"]
        load = Load(count, count / figures["seconds"], figures["p50_us"], figures["p99_us"])
    except (ValueError, KeyError, TypeError) as error:
        raise Failed(f"the client printed something unexpected: {text}") from error
    if resumed != (count if resume else 0):
        raise Failed(f"{resumed} of {count} sessions were resumed")
    if resume and figures.get("shown_again", 0):
        print("the server gives no new ticket when it resumes: clients that use one once, as they "
              "should, resume only every second time", file=sys.stderr)
    return load


@dataclass(frozen=True)
class Handshakes:
    resume: bool
    at_once: int = 16
    tools = ("openssl",)

    def __str__(self):
        return f"{self.at_once} connections at a time"

    def run(self, url, duration_s, placement):
        port = url.split(":")[2].split("/")[0]
        command = [programs.connections(), "churn", port, "--tls", f"--seconds={duration_s}",
                   f"--at-once={self.at_once}", *(["--resume"] if self.resume else [])]
        result = subprocess.run(placement.pinned(placement.load, command), text=True,
                                capture_output=True, timeout=duration_s + GRACE_S, check=False)
        if result.returncode != 0:
            raise Failed(result.stderr.strip())
        return parse(result.stdout, self.resume)
