"""What a load generator reports. One is an object with `tools` (programs it needs), a text that
says how much it asks for, and run(url, duration_s, placement), which returns a Load."""

from dataclasses import dataclass

GRACE_S = 30


@dataclass
class Load:
    requests: int
    requests_per_second: float
    p50_us: float = None  # None: the generator does not say
    p99_us: float = None
