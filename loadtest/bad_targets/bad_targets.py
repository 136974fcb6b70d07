"""One bad target of four: what clients see of it, and what it and the others are sent. Started by ./run."""

import argparse
import collections
import dataclasses
import json
import sys

import cases
import heavy
import targets

RESULTS = heavy.ROOT / "loadtest" / "results"
P99_RATIO_MAX = 1.5
SLOW_SHARE_MAX = 0.125  # half of an equal share
SENT_RATIO_MAX = 1.2
QUICK_RATE, QUICK_SECONDS = 200, 0.5


@dataclasses.dataclass
class Table:
    """Rows of cases, and what in them is over its limit."""

    method: str
    columns: list
    rows: list
    over: list

    def judge(self, case, what, figure, most):
        if case.judged and not figure <= most:
            self.over.append(f"{case.name}: {what} is {figure:.3f}, {most} at most")


def median(runs, attribute):
    return heavy.median(getattr(run, attribute) for run in runs)


def failed(runs):
    """GETs and POSTs, of all rounds."""
    return "{} + {}".format(*(sum(run.failed[method] for run in runs) for method in ("GET", "POST")))


def ejections(runs):
    """Seconds of each, a group for each round."""
    return "; ".join(", ".join(f"{ms / 1000:g}" for ms in run.ejections_ms) or "none" for run in runs)


def ratio(runs, beside, attribute):
    """The median of the rounds' ratios: both runs of a round saw the same machine."""
    return heavy.median(getattr(a, attribute) / getattr(b, attribute) for a, b in zip(runs, beside))


def stuck_table(runs_of):
    table = Table(
        f"The first target takes requests and never answers. p99: of the answers; ratios: to the control of the same "
        f"round, {P99_RATIO_MAX} at most. The others: requests that the stuck target was not sent.",
        ["besides the defaults", "requests", "p50, ms", "p99, ms", "p99 / control", "p99 of the others / control",
         "failed GETs + POSTs", "sent to the stuck one: how they ended", "ejections, s"], [], [])
    control = next(iter(runs_of.values()))
    for case, runs in runs_of.items():
        found = [ratio(runs, control, attribute) for attribute in ("p99_ms", "p99_others_ms")]
        for figure in found:
            table.judge(case, "p99 / control", figure, P99_RATIO_MAX)
        touched = sum((collections.Counter(run.touched) for run in runs), collections.Counter())
        ends = ", ".join(f"{n} x {outcome}" for outcome, n in sorted(touched.items()))
        table.rows.append([case.name, sum(run.asked for run in runs), f"{median(runs, 'p50_ms'):.1f}",
                           f"{median(runs, 'p99_ms'):.1f}", *(f"{figure:.2f}" for figure in found), failed(runs),
                           "-" if runs is control else ends or "none", ejections(runs)])
    return table


def slow_table(runs_of):
    table = Table(
        f"The first target takes {cases.WORK_MS * cases.SLOWER} ms for a request, the others {cases.WORK_MS}. Its "
        f"share of the requests: {SLOW_SHARE_MAX:.1%} at most, but for round_robin.",
        ["`balance`", "requests", "share of the slow one", "of the others", "p50, ms", "p99, ms",
         "failed GETs + POSTs"], [], [])
    for case, runs in runs_of.items():
        share = median(runs, "share")
        table.judge(case, "share", share, SLOW_SHARE_MAX)
        sent = [sum(counts) for counts in zip(*(run.sent for run in runs))]
        table.rows.append([case.name, sum(run.asked for run in runs), f"{share:.1%}",
                           ", ".join(f"{n / sum(sent):.1%}" for n in sent[1:]), f"{median(runs, 'p50_ms'):.1f}",
                           f"{median(runs, 'p99_ms'):.1f}", failed(runs)])
    return table


def flapping_table(runs_of):
    table = Table(
        f"Ill for the second half of each {targets.PERIOD_S:g} s. Requests that reached targets per request of a "
        f"client: {SENT_RATIO_MAX} at most where one target flaps.",
        ["", "requests", "reached targets", "per request", "of those the first one", "failed GETs + POSTs", "p99, ms",
         "ejections, s"], [], [])
    for case, runs in runs_of.items():
        sent = max(run.sent_ratio for run in runs)
        table.judge(case, "requests that reached targets, per request", sent, SENT_RATIO_MAX)
        table.rows.append([case.name, sum(run.asked for run in runs), sum(sum(run.sent) for run in runs),
                           f"{sent:.3f}", sum(run.sent[0] for run in runs), failed(runs),
                           f"{median(runs, 'p99_ms'):.1f}", ejections(runs)])
    return table


@dataclasses.dataclass(frozen=True)
class Part:
    title: str
    cases: object  # (options.first_byte) -> [Case]
    table: object  # ({Case: [Run]}) -> Table
    rounds: int
    seconds: float


PARTS = {
    "stuck": Part("One of four targets is stuck", cases.stuck, stuck_table, 3, 9),
    "slow": Part("One of four targets is ten times as slow", cases.slow, slow_table, 2, 6),
    "flapping": Part("Targets flap", cases.flapping, flapping_table, 1, 11),
}


def play(part, options):
    rounds, seconds, rate = options.rounds or part.rounds, options.seconds or part.seconds, options.rate
    chosen = part.cases(options.first_byte)
    if options.quick:
        rounds, seconds, rate = 1, QUICK_SECONDS, QUICK_RATE
        chosen = [case for case in chosen if case.quick]
    runs_of = {case: [] for case in chosen}
    for number in range(rounds):
        for case in chosen:
            runs_of[case].append(cases.measure(case, number, rate, seconds))
    table = part.table(runs_of)
    method = (f"{rate:g} requests a second at random times, a fifth of them POSTs, for {seconds:g} s; medians of "
              f"{rounds} alternating rounds. Targets have {targets.WORKERS} workers and take {cases.WORK_MS} ms for a "
              f"request. {table.method}")
    text = heavy.table_text(part.title, method, table.columns, table.rows)
    print(text + "\n", flush=True)
    return text, [dataclasses.asdict(run) for runs in runs_of.values() for run in runs], table.over


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="loadtest/bad_targets/run", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--rate", type=float, default=300,
                        help="requests a second (300); of few, ten retries a second are more than a fifth")
    parser.add_argument("--rounds", type=int, help="of each part (3, 2, 1)")
    parser.add_argument("--seconds", type=float, help="of each run (9, 6, 11)")
    parser.add_argument("--first-byte", default="1s", help="of the upstreams of stuck targets (1s)")
    parser.add_argument("--quick", action="store_true", help="a few seconds; nothing is judged or written")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.part if name not in PARTS]:
        parser.error(f"no part {unknown[0]}; there are {', '.join(PARTS)}")
    if options.quick:
        options.first_byte = "200ms"
    return options


def main():
    options = options_of(None)
    texts, runs, over = [], {}, []
    for name in options.part or PARTS:
        text, runs[name], found = play(PARTS[name], options)
        texts.append(text)
        over += found
    if options.quick:
        return
    if options.part:
        heavy.note("nothing written: only a run of all parts is")
    else:
        write(texts, runs)
    if over:
        sys.exit("over its limit: " + "; ".join(over))


def write(texts, runs):
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "bad_targets.md").write_text("\n\n".join(texts) + "\n")
    (RESULTS / "bad_targets.json").write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()
