"""loadtest/run: a figure it prints can be believed, and a run with errors prints none."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import harness

LOADTEST = harness.ROOT / "loadtest"
sys.path[:0] = map(str, (LOADTEST, LOADTEST / "h2_attacks", LOADTEST / "instructions"))

import attacks
import count
import frames
from side_by_side import cpu, h2load, handshakes, report, wrk
from side_by_side.programs import Failed
from side_by_side.scenarios import SCENARIOS

GOOD = """\
Running 4s test @ http://127.0.0.1:1/plaintext
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms    1.21ms  31.21ms   91.21%
    Req/Sec    74.21k     3.44k   81.02k    82.50%
  Latency Distribution
     50%  576.00us
     75%    1.10ms
     90%    2.00ms
     99%    2.93ms
  295310 requests in 4.00s, 47.60MB read
Requests/sec:  73799.91
Transfer/sec:     11.89MB
"""


GOOD_H2 = """\
starting benchmark...
Application protocol: h2c
Main benchmark duration is over for thread #0. Stopping all clients.
Stopped all clients for thread #0

finished in 2.00s, 97184.00 req/s, 3.80MB/s
requests: 194368 total, 194624 started, 194368 done, 194368 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 194369 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 7.60MB (7970232) total, 1.85MB (1944632) headers (space savings 93.50%), 2.41MB (2526784) data
"""


class Wrk(unittest.TestCase):
    def test_figures_are_read_in_microseconds(self):
        load = wrk.parse(GOOD)
        self.assertEqual((load.requests, load.requests_per_second), (295310, 73799.91))
        self.assertEqual((load.p50_us, load.p99_us), (576.0, 2930.0))

    def test_one_wrong_status_fails_the_run(self):
        with self.assertRaisesRegex(Failed, "Non-2xx"):
            wrk.parse(GOOD + "  Non-2xx or 3xx responses: 1\n")

    def test_one_socket_error_fails_the_run(self):
        with self.assertRaisesRegex(Failed, "Socket errors"):
            wrk.parse(GOOD + "  Socket errors: connect 0, read 1, write 0, timeout 0\n")

    def test_unknown_output_fails_the_run(self):
        with self.assertRaises(Failed):
            wrk.parse("unable to connect\n")


    def test_times_that_wrk_does_not_know_are_none(self):
        load = wrk.parse(GOOD.replace("2.93ms", "0.00us"))
        self.assertEqual((load.p50_us, load.p99_us), (576.0, None))


    def test_a_rate_becomes_waits_of_connections(self):
        self.assertEqual(wrk.paced(6400, connections=64).values, (10.0,))


class H2load(unittest.TestCase):
    def test_figures_are_read(self):
        load = h2load.parse(GOOD_H2)
        self.assertEqual((load.requests, load.requests_per_second), (194368, 97184.0))
        self.assertIsNone(load.p99_us)

    def test_anything_that_went_wrong_fails_the_run(self):
        for good, bad in (("0 failed", "1 failed"), ("0 errored", "3 errored"),
                          ("0 timeout", "1 timeout"), ("194368 succeeded", "194367 succeeded"),
                          ("0 4xx", "1 4xx"), ("194368 done", "0 done"),
                          ("protocol: h2c", "protocol: http/1.1")):
            with self.subTest(bad), self.assertRaises(Failed):
                h2load.parse(GOOD_H2.replace(good, bad))

    def test_unknown_output_fails_the_run(self):
        with self.assertRaises(Failed):
            h2load.parse("")


class Handshakes(unittest.TestCase):
    def text(self, resumed):
        return (f'{{"connections": 100, "resumed": {resumed}, "seconds": 2.0, "p50_us": 10,'
                ' "p99_us": 20}')

    def test_figures_are_read(self):
        load = handshakes.parse(self.text(100), resume=True)
        self.assertEqual((load.requests, load.requests_per_second), (100, 50.0))
        self.assertEqual((load.p50_us, load.p99_us), (10, 20))

    def test_sessions_must_be_resumed_or_not_as_asked(self):
        for resumed, resume in ((99, True), (1, False)):
            with self.assertRaisesRegex(Failed, "of 100 sessions were resumed"):
                handshakes.parse(self.text(resumed), resume)

    def test_unknown_output_fails_the_run(self):
        with self.assertRaises(Failed):
            handshakes.parse("connections: refused", resume=False)


class Figures(unittest.TestCase):
    def test_ratio_is_the_median_of_the_rounds_ratios(self):
        def runs(*figures):
            return [report.Run(i, 1, 1.0, 1.0, 1.0, f, 0.0) for i, f in enumerate(figures)]

        # The machine got slower in the middle: the ratios did not, those of the medians would.
        result = report.Result(None, {}, {"a": runs(1, 2, 30), "b": runs(2, 4, 60)})
        self.assertEqual(result.ratio("a", "b", "cpu_us"), 0.5)

    def test_figures_that_are_not_known_have_no_ratio(self):
        def run(cpu_us, p99_us):
            return [report.Run(0, 1, 1.0, None, p99_us, cpu_us, 0.0)]

        result = report.Result(None, {}, {"a": run(1.0, 5.0), "b": run(0.0, None)})
        self.assertIsNone(result.median("a", "p50_us"))
        self.assertIsNone(result.ratio("a", "b", "p99_us"))
        self.assertIsNone(result.ratio("a", "b", "cpu_us"))

    def test_what_a_proxy_adds_is_the_median_of_the_rounds_differences(self):
        def runs(*figures):
            return [report.Run(i, 1, 1.0, None, f, 1.0, 0.0) for i, f in enumerate(figures)]

        result = report.Result(None, {}, {"a": runs(5, 60, 9), "b": runs(1, 2, 30),
                                          report.BACKEND: runs(3, 50, 8)})
        self.assertEqual(result.added("a", "p99_us"), 2)
        self.assertIsNone(result.added("a", "p50_us"))
        del result.runs[report.BACKEND]
        self.assertIsNone(result.added("a", "p99_us"))

    def test_processor_time_includes_children(self):
        before = sum(cpu.consumed(os.getpid()))
        spin = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
        with subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            self.assertGreaterEqual(sum(cpu.consumed(os.getpid())) - before, 0.28)
            child.stdin.close()


class Instructions(unittest.TestCase):
    def test_the_count_is_read(self):
        text = "==7== \n==7== Events    : Ir\n==7== Collected : 36482910\n==7== \n"
        self.assertEqual(count.parse(text), 36482910)
        with self.assertRaises(Failed):
            count.parse("==7== Command: millrace\n")


class Frames(unittest.TestCase):
    def test_frames_have_the_layout_of_rfc_9113(self):
        self.assertEqual(frames.rst_stream(3), bytes.fromhex("000004 03 00 00000003 00000008"))
        self.assertEqual(frames.settings(window=1), bytes.fromhex("000006 04 00 00000000"
                                                                  "0004 00000001"))
        self.assertEqual(frames.priority(5, depends_on=3),
                         bytes.fromhex("000005 02 00 00000005 00000003 0f"))

    def test_integers_are_those_of_rfc_7541(self):
        self.assertEqual(frames.integer(10, 5, 0), b"\x0a")
        self.assertEqual(frames.integer(1337, 5, 0), b"\x1f\x9a\x0a")
        self.assertEqual(frames.literal(b"a", b"b", indexed=True), b"\x40\x01a\x01b")
        self.assertEqual(frames.literal(32, b"b"), b"\x0f\x11\x01b")

    def test_no_frame_of_an_attack_is_over_the_size_that_everybody_takes(self):
        for name, attack in attacks.ATTACKS.items():
            data = attack.opening.removeprefix(frames.PREFACE) + attack.script
            at = 0
            while at < len(data):
                size = int.from_bytes(data[at : at + 3], "big")
                self.assertLessEqual(size, 16384, name)
                at += 9 + size
            self.assertEqual(at, len(data), f"{name} ends in the middle of a frame")


@unittest.skipIf(harness.SANITIZED, "figures of a sanitizer build say nothing")
class Runs(unittest.TestCase):
    # One of each load generator; the others differ in configuration.
    CHOSEN = ("plaintext", "proxy-h2-client", "proxy-half-load", "tls-resumed")
    # Of these only the answers are looked at.
    CHECKED = ("proxy-1m-tuned", "proxy-post-10k", "proxy-tls-upstream", "h2")

    def run_side_by_side(self, *arguments):
        result = subprocess.run(
            [sys.executable, "-m", "side_by_side", *arguments],
            env={**os.environ, "PYTHONPATH": str(LOADTEST), "MILLRACE_BINARY": harness.BINARY},
            capture_output=True, text=True, timeout=180, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_scenarios_run_and_give_ratios(self):
        with tempfile.TemporaryDirectory() as directory:
            self.run_side_by_side("--rounds", "1", "--duration", "1", "--output", directory,
                                  *self.CHOSEN)
            data = json.loads(next(pathlib.Path(directory).glob("*.json")).read_text())
            tables = next(pathlib.Path(directory).glob("*.md")).read_text()
        self.assertEqual([r["scenario"] for r in data["results"]], list(self.CHOSEN))
        for entry in data["results"]:
            self.assertGreater(entry["ratios"]["nginx"]["cpu_us"], 0)
            self.assertIn(f"### {entry['scenario']}", tables)
        half_load = data["results"][self.CHOSEN.index("proxy-half-load")]
        self.assertGreater(half_load["medians"][report.BACKEND]["p99_us"], 0)
        self.assertEqual(list(half_load["added"]),
                         [name for name in half_load["versions"] if name != report.BACKEND])
        self.assertIn("Added to the backend's own p50 and p99: millrace ", tables)

    def test_every_contender_gives_the_answer_that_is_measured(self):
        result = self.run_side_by_side("--check", *self.CHECKED)
        told = [line for line in result.stderr.splitlines() if "answer as they should" in line]
        self.assertEqual([line.split(":")[0] for line in told], list(self.CHECKED))
        for line in told:
            self.assertIn("millrace, nginx", line)

    def run_whole(self, folder, *arguments):
        result = subprocess.run(
            [LOADTEST / folder / "run", "--no-build", *arguments],
            env={**os.environ, "MILLRACE_BINARY": harness.BINARY},
            capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def run_script(self, folder, *arguments):
        return self.run_whole(folder, *arguments).stdout

    def test_memory_of_idle_connections_is_measured(self):
        table = self.run_script("idle_memory", "--connections=300", "--duration=1",
                                "--rounds=1", "h2")
        self.assertIn("| `h2` |", table)

    def test_slow_clients_are_measured(self):
        table = self.run_script("slow_clients", "--seconds=1", "--connections=100", "head", "read")
        for what in ("a request head that does not end", "a large answer, read a byte at a time"):
            self.assertIn(f"| {what} | 100.00 | ", table)

    def test_an_attack_is_measured(self):
        table = self.run_script("h2_attacks", "--seconds=1", "--connections=2", "rapid-reset")
        self.assertIn("| `rapid-reset` | 2 | ", table)

    def test_bad_targets_are_measured(self):
        result = self.run_whole("bad_targets", "--quick")
        for row in ("| control: all four well |", "| `random_two`, the default |", "| one is killed"):
            self.assertIn(row, result.stdout)
        control, stuck, *_ = map(json.loads, result.stderr.splitlines())
        self.assertGreater(control["asked"], 0)
        self.assertEqual(sum(control["sent"]), control["asked"])
        self.assertEqual(set(stuck["touched"]), {"504"}, "a stuck target has answered")

    def test_names_of_scenarios_are_unique(self):
        names = [scenario.name for scenario in SCENARIOS]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
