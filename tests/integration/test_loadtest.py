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
sys.path.insert(0, str(LOADTEST))

from side_by_side import cpu, report, wrk
from side_by_side.servers import Failed

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


class Figures(unittest.TestCase):
    def test_ratio_is_the_median_of_the_rounds_ratios(self):
        def runs(*figures):
            return [report.Run(i, 1, 1.0, 1.0, 1.0, f, 0.0) for i, f in enumerate(figures)]

        # The machine got slower in the middle: the ratios did not, those of the medians would.
        result = report.Result(None, {}, {"a": runs(1, 2, 30), "b": runs(2, 4, 60)})
        self.assertEqual(result.ratio("a", "b", "cpu_us"), 0.5)

    def test_processor_time_includes_children(self):
        before = sum(cpu.consumed(os.getpid()))
        spin = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
        with subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            self.assertGreaterEqual(sum(cpu.consumed(os.getpid())) - before, 0.28)
            child.stdin.close()


@unittest.skipIf(harness.SANITIZED, "figures of a sanitizer build say nothing")
class Runs(unittest.TestCase):
    def test_every_scenario_runs_and_gives_ratios(self):
        with tempfile.TemporaryDirectory() as directory:
            result = subprocess.run(
                [sys.executable, "-m", "side_by_side", "--rounds", "1", "--duration", "1",
                 "--output", directory],
                env={**os.environ, "PYTHONPATH": str(LOADTEST),
                     "MILLRACE_BINARY": harness.BINARY},
                capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(result.returncode, 0, result.stderr)
            data = json.loads(next(pathlib.Path(directory).glob("*.json")).read_text())
            tables = next(pathlib.Path(directory).glob("*.md")).read_text()
        self.assertEqual([r["scenario"] for r in data["results"]],
                         ["plaintext", "plaintext-log", "proxy"])
        for entry in data["results"]:
            self.assertGreater(entry["ratios"]["nginx"]["cpu_us"], 0)
            self.assertIn(f"### {entry['scenario']}", tables)


if __name__ == "__main__":
    unittest.main()
