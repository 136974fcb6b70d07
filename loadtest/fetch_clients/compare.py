"""Runs the clients in turns and compares medians. Started by ./run.

A client's figure is its processor time, start and end included, over the number of requests; its
wall time is from start to end. Every client must have fetched everything, or there is no figure.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import heavy
import harness
from side_by_side import material
from side_by_side.cpu import Placement

HERE = pathlib.Path(__file__).resolve().parent
PARALLEL = 100
PYTHON = "/usr/bin/python3"
CONFIG = """
[server]
listen = ["127.0.0.1:0"]
threads = 1
[[server.tls]]
listen = ["127.0.0.1:0"]
certificates = [{ certificate = "DIR/cert.pem", key = "DIR/key.pem" }]
[log]
access = "off"
[[route]]
match = { path = "/hello" }
respond = { status = 200, body = "Hello, World!" }
[[route]]
match = { path = "/*" }
endpoint = "tools"
"""
BATCH_CONFIG = """
[server]
listen = ["127.0.0.1:0"]
threads = 1
[fetch]
allow_networks = ["127.0.0.0/8"]
[log]
access = "off"
[[route]]
match = { path = "/v1/fetch/*" }
endpoint = "fetch"
[[route]]
match = { path = "/v1/fetch" }
endpoint = "fetch"
"""


class Run:
    """One client's run: processor seconds, wall seconds."""

    def __init__(self, command, urls):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        done = subprocess.run(command, input="".join(url + "\n" for url in urls).encode(),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                              timeout=300, env={**os.environ, "GOMAXPROCS": "1"})
        self.wall = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
        if done.returncode != 0:
            sys.exit(f"{command[3:6]}: exit {done.returncode}: {done.stderr.decode()[-500:]}")


def curl_command(urls, ca, directory, parallel, output="/dev/null"):
    """curl takes many URLs from a file only, each with its own output: `output`, with a number behind
    it where it ends in "-"."""
    config = directory / "curl.txt"
    config.write_text("".join(f'url = "{url}"\noutput = "{output}{i if output[-1] == "-" else ""}"\n'
                              for i, url in enumerate(urls)))
    tls = ["--cacert", ca, "--http2"] if ca else []
    return ["curl", "--silent", "--fail", "--parallel", "--parallel-max", str(parallel), *tls,
            "--config", str(config)]


def clients(ca, directory, urls, parallel, names):
    """Name -> command."""
    millrace = [harness.BINARY, "fetch", "--quiet", "--parallel", str(parallel)]
    commands = {
        "millrace": millrace + (["--cacert", ca] if ca else []),
        "Go net/http": [str(heavy.ROOT / "build" / "peers" / "go-fetch"), str(parallel), ca],
        "curl": curl_command(urls, ca, directory, parallel),
        "aiohttp": [PYTHON, str(HERE / "python_client.py"), "aiohttp", str(parallel), ca],
        "httpx": [PYTHON, str(HERE / "python_client.py"), "httpx", str(parallel), ca],
    }
    return {name: commands[name] for name in names}


def measure(commands, urls, rounds, placement):
    runs = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(Run(placement.pinned(placement.load, command), urls))
    return runs


def median(runs, what):
    return statistics.median(getattr(run, what) for run in runs)


def small(title, method, commands, urls, rounds, placement):
    runs = measure(commands, urls, rounds, placement)
    ours = median(runs["millrace"], "cpu")
    rows = []
    for name, list_of in runs.items():
        cpu = median(list_of, "cpu")
        rows.append([name, f"{cpu / len(urls) * 1e6:.1f}", f"{ours / cpu:.2f}",
                     f"{len(urls) / median(list_of, 'wall'):.0f}"])
    heavy.table(title, method, ["client", "CPU us per request", "ours / theirs", "requests/s"], rows)


def slow(base, rounds, placement, directory):
    urls = [f"{base}/delay?ms=50"] * 100
    commands = clients("", directory, urls, 100, ["millrace", "Go net/http", "curl", "aiohttp"])
    runs = measure(commands, urls, rounds, placement)
    walls = {name: median(list_of, "wall") for name, list_of in runs.items()}
    walls |= batches(urls, rounds, placement)
    heavy.table("100 URLs of 50 ms each, all at once",
                "Wall time: of the whole process, or of one POST to a server that runs (its first one, and "
                f"later ones); medians of {rounds}. {placement}.",
                ["client", "ms", "over the ideal of 50 ms"],
                [[name, f"{wall * 1000:.0f}", f"{wall / 0.05:.2f}"] for name, wall in walls.items()])


def batches(urls, rounds, placement):
    """Wall seconds of POST /v1/fetch/batch, as its client sees it."""
    body = json.dumps({"requests": [{"url": url} for url in urls], "parallel": len(urls)}).encode()
    first, later = [], []
    for _ in range(rounds):
        with harness.Millrace(BATCH_CONFIG) as server:
            os.sched_setaffinity(server.pid, {placement.load})
            harness.get(server.url + "/v1/fetch")  # the server has begun; nothing is fetched
            for walls in (first, later, later, later):
                began = time.monotonic()
                answer = harness.post(server.url + "/v1/fetch/batch", body,
                                      [("Content-Type", "application/json")])
                walls.append(time.monotonic() - began)
                if json.loads(answer.body.splitlines()[-1])["summary"]["succeeded"] != len(urls):
                    sys.exit(f"a batch failed: {answer.body[:300]}")
    return {"millrace, first batch": statistics.median(first),
            "millrace, later batches": statistics.median(later)}


def large(base, ca, rounds, placement, directory):
    urls = [f"{base}/bytes?n=20000000"] * 50
    commands = clients(ca, directory, urls, 50, ["millrace", "curl", "Go net/http"])
    commands["millrace"] = commands["millrace"][:2] + ["--out", str(directory / "out"),
                                                       *commands["millrace"][2:]]
    (directory / "out").mkdir()
    commands["curl"] = curl_command(urls, ca, directory, 50, str(directory / "out" / "curl-"))
    runs = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(Run(placement.pinned(placement.load, command), urls))
            for file in (directory / "out").glob("*"):
                file.unlink()
    rows = [[name, f"{1000 / median(list_of, 'wall'):.0f}", f"{median(list_of, 'cpu'):.2f}"]
            for name, list_of in runs.items()]
    heavy.table("50 x 20 MB over one HTTP/2 connection",
                f"TLS; millrace and curl write files, Go throws the bodies away. Medians of {rounds}. "
                f"{placement}.", ["client", "MB/s", "CPU s"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    placement = Placement()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-fetch-"))
    material.prepare(directory, True)
    ca = str(directory / "cert.pem")
    config = CONFIG.replace("DIR", str(directory))
    with harness.Millrace(config) as server:
        os.sched_setaffinity(server.pid, {placement.server})
        plain, tls = server.listen
        plain, tls = f"http://{plain}", "https://localhost:" + tls.rsplit(":", 1)[1]
        everyone = ["millrace", "Go net/http", "curl", "aiohttp", "httpx"]
        method = (f"{options.requests} GETs of 13 bytes, {PARALLEL} in flight, start of the process "
                  f"included; medians of {options.rounds} alternating runs. {placement}.")
        urls = [plain + "/hello"] * options.requests
        small("Many small GETs, HTTP/1.1", method, clients("", directory, urls, PARALLEL, everyone),
              urls, options.rounds, placement)
        urls = [tls + "/hello"] * options.requests
        small("Many small GETs, HTTP/2 over TLS", method,
              clients(ca, directory, urls, PARALLEL, ["millrace", "Go net/http", "curl", "httpx"]),
              urls, options.rounds, placement)
        slow(plain, options.rounds, placement, directory)
        large(tls, ca, min(options.rounds, 3), placement, directory)
        print(json.dumps({"server_rss": server.rss_bytes()}), file=sys.stderr)


if __name__ == "__main__":
    main()
