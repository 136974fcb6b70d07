"""What is measured: upstreams of four targets, of which the first is the bad one."""

import asyncio
import collections
import dataclasses
import json
import math
import socket
import sys

import client
import heavy
import harness
import targets

WORK_MS = 10
SLOWER = 10  # times
WELL = f"well:{WORK_MS}"
CONFIG = """
[server]
listen = ["127.0.0.1:0"]
[log]
access = "off"
[upstream.app]
targets = [{targets}]
{upstream}
[[route]]
match = {{ path = "/*" }}
upstream = "app"
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """An upstream and its targets."""

    name: str
    specs: tuple  # of targets.py
    upstream: str = ""  # lines of its table; all else is the default
    judged: bool = True
    quick: bool = False  # it belongs to a quick run


@dataclasses.dataclass
class Run:
    """What became of the requests of one case in one round. The others: those that the first target was not sent,
    or all where it is as well as the others. A time is that of requests which were answered with 200."""

    case: str
    round: int
    asked: int
    outcomes: dict  # method -> outcome -> how many
    sent: list  # to each target
    p50_ms: float
    p99_ms: float
    p99_others_ms: float
    touched: dict  # outcome -> how many of those that the first target was sent
    ejections_ms: list

    @property
    def failed(self):
        return {method: sum(n for outcome, n in counts.items() if outcome != "200")
                for method, counts in self.outcomes.items()}

    @property
    def sent_ratio(self):
        return sum(self.sent) / self.asked

    @property
    def share(self):
        return self.sent[0] / sum(self.sent)


def stuck(first_byte):
    """The control first; a round takes them in this order."""
    bad, limit = ("stuck:0", WELL, WELL, WELL), f'timeout = {{ first_byte = "{first_byte}" }}'
    check = f'health = {{ path = "{targets.CHECK.decode()}", interval = "1s", timeout = "500ms" }}'
    return [Case("control: all four well", (WELL,) * 4, limit, quick=True),
            Case(f'`timeout.first_byte = "{first_byte}"`', bad, limit, quick=True),
            Case("the same, and a check each second", bad, f"{limit}\n{check}"),
            Case(f'`retry.per_try = "{first_byte}"`', bad, f'retry = {{ per_try = "{first_byte}" }}')]


def slow(_):
    bad = (f"well:{WORK_MS * SLOWER}", WELL, WELL, WELL)
    return [Case("`random_two`, the default", bad, quick=True),
            Case("`least_requests`", bad, 'balance = "least_requests"'),
            Case("`round_robin`", bad, 'balance = "round_robin"', judged=False)]


def flapping(_):
    statuses = "retry = { statuses = [502, 503, 504] }"
    never = "outlier = { ejected_percent_max = 0 }"
    killed, ill = f"killed:{WORK_MS}", f"unavailable:{WORK_MS}"
    return [Case("one is killed and comes back", (killed, WELL, WELL, WELL), quick=True),
            Case("the same, and nobody is ejected", (killed, WELL, WELL, WELL), never),
            Case("one answers 503", (ill, WELL, WELL, WELL)),
            Case("one answers 503; `retry.statuses`, nobody is ejected", (ill, WELL, WELL, WELL),
                 f"{statuses}\n{never}"),
            # What comes out is the budget itself, give or take ten: beside the limit, not under it.
            Case("all four answer 503 at once; `retry.statuses`", (ill,) * 4, statuses, judged=False)]


def numbers_of(port):
    """Of the requests that reached each target."""
    with socket.create_connection((targets.HOST, port), 10) as connection:
        return json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))


def measure(case, round_number, rate, seconds):
    with harness.Process([sys.executable, targets.__file__, *case.specs], "targets") as services:
        harness.wait_until(lambda: services.log, what="the targets' ports")
        *ports, counts = json.loads(services.log[0])
        listed = ", ".join(f'"http://{targets.HOST}:{port}"' for port in ports)
        with harness.Millrace(CONFIG.format(targets=listed, upstream=case.upstream)) as server:
            requests = asyncio.run(client.play((server.host, server.port), rate, seconds, seed=round_number))
            numbers = numbers_of(counts)
            run = summary(case, round_number, requests, numbers, server.events("target_ejected"))
    heavy.note(json.dumps(dataclasses.asdict(run)))
    return run


def percentile(times, percent):
    return heavy.percentile(times, percent) if times else math.nan


def summary(case, round_number, requests, numbers, ejections):
    outcomes = {"GET": collections.Counter(), "POST": collections.Counter()}
    for asked in requests:
        outcomes[asked.method][asked.outcome] += 1
    touched = set(numbers[0])
    apart = set() if len(set(case.specs)) == 1 else touched
    answered = [asked for asked in requests if asked.outcome == "200"]
    times = [1e3 * asked.seconds for asked in answered]
    others = [1e3 * asked.seconds for asked in answered if asked.number not in apart]
    return Run(case.name, round_number, len(requests), {m: dict(c) for m, c in outcomes.items()},
               [len(of_target) for of_target in numbers],
               percentile(times, 50), percentile(times, 99), percentile(others, 99),
               dict(collections.Counter(a.outcome for a in requests if a.number in touched)),
               [event["for_ms"] for event in ejections])
