"""Runs the test suites of scripts/test and counts individual test cases.

    suites.py ROOT SUITE...

Suites: unit, wire, config (GoogleTest, through Meson), fuzz (the committed corpora of the fuzz
targets, replayed), integration (unittest, against the binary), lint, layers; asan (the first five
in build/asan) and tsan (unit tests of what meets several threads, in build/tsan). A suite that ran nothing has failed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

PYTHON = "/usr/bin/python3"
MESON_SUITES = ("unit", "wire", "config", "fuzz")
DEFAULT_SUITES = (*MESON_SUITES, "integration", "lint", "layers")
ALL_SUITES = (*DEFAULT_SUITES, "asan", "tsan")
SANITIZERS = ("asan", "tsan")
# Unit tests of folders whose code runs on several threads by itself, or is used from several.
THREADED_TESTS = ("runtime", "client", "process")
MODULE_TIMEOUT_S = 600
# Modules of the integration suite wait more than they work.
MODULES_AT_ONCE = min((os.cpu_count() or 1) + 1, 4)
# Sanitizers cost up to this much time; Meson's default limit is 30 s per executable.
TIMEOUT_MULTIPLIER = {"release": 4, "asan": 10, "tsan": 20}
SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


@dataclass
class Totals:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def say(text):
    print(f"==> {text}", flush=True)


class Runner:
    """One run over a source tree. Each suite method returns its Totals."""

    def __init__(self, root):
        self.root = root
        self.environment = dict(os.environ, **SANITIZER_ENVIRONMENT)
        self.ahead = {}

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def build(self, kind, *targets):
        subprocess.run([self.path("scripts/build"), kind, *targets], check=True)

    def build_ahead(self, kinds):
        """Builds them one after the other while suites run, with what processor time they leave;
        the suite of that name waits for it."""
        pool = ThreadPoolExecutor(1)
        self.ahead = {kind: pool.submit(self.build_sanitizer, kind) for kind in kinds}

    def build_sanitizer(self, kind):
        targets = self.tsan_targets() if kind == "tsan" else []
        log = self.path("build", kind + ".log")
        with open(log, "w", encoding="utf-8") as output:
            status = subprocess.run(["nice", "-n", "19", self.path("scripts/build"), kind, *targets],
                                    stdout=output, stderr=subprocess.STDOUT, check=False).returncode
        if status == 0:
            return
        with open(log, encoding="utf-8", errors="replace") as output:
            print("".join(output.readlines()[-100:]), flush=True)
        raise subprocess.CalledProcessError(status, f"scripts/build {kind}")

    def run_suite(self, name):
        say(f"suite {name}")
        started = time.monotonic()
        if name in MESON_SUITES:
            totals = self.meson_suite("release", name)
        elif name == "integration":
            totals = self.integration("release")
        elif name == "asan":
            totals = self.asan()
        elif name == "tsan":
            totals = self.tsan()
        else:
            totals = self.counting_script(name)
        say(f"suite {name}: {totals} ({time.monotonic() - started:.0f} s)")
        return totals

    # -- GoogleTest -------------------------------------------------------------------------------

    def meson_tests(self, kind, suite):
        """What Meson knows of one suite: [{name, cmd, ...}]."""
        text = subprocess.check_output(
            ["meson", "introspect", "--tests", self.path("build", kind)], text=True)
        return [test for test in json.loads(text) if f"millrace:{suite}" in test["suite"]]

    def meson_suite(self, kind, suite, only=None):
        names = [test["name"] for test in self.meson_tests(kind, suite)]
        names = [name for name in names if only is None or name in only]
        if not names:
            return self.ran_nothing(f"{suite} in build/{kind}")
        directory = self.path("build", kind)
        report = os.path.join(directory, "meson-logs", "testlog.junit.xml")
        if os.path.exists(report):
            os.remove(report)
        status = subprocess.run(
            ["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs",
             "--timeout-multiplier", str(TIMEOUT_MULTIPLIER[kind]), "--suite", suite, *names],
            env=self.environment, check=False).returncode
        totals = self.count_junit(report) if os.path.exists(report) else Totals()
        if status != 0 and totals.failed == 0:
            totals.failed += 1  # an executable that reported success and then crashed
        return totals if totals.passed + totals.failed else self.ran_nothing(suite)

    @staticmethod
    def count_junit(report):
        totals = Totals()
        for case in ElementTree.parse(report).iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                totals.failed += 1
            elif case.find("skipped") is not None or case.get("status") == "notrun":
                totals.skipped += 1
            else:
                totals.passed += 1
        return totals

    # -- Python against the real binary -----------------------------------------------------------

    def integration(self, kind):
        directory = self.path("tests", "integration")
        modules = sorted(name[:-3] for name in os.listdir(directory)
                         if name.startswith("test_") and name.endswith(".py"))
        environment = dict(self.environment, MILLRACE_BINARY=self.path("build", kind, "millrace"),
                           MILLRACE_BUILD=kind)
        totals = Totals()
        with ThreadPoolExecutor(MODULES_AT_ONCE) as pool:
            for counts in pool.map(
                    lambda module: self.unittest_module(directory, module, environment), modules):
                totals.add(counts)
        return totals if totals.passed + totals.failed else self.ran_nothing("integration")

    def unittest_module(self, directory, module, environment):
        """Each module in a process of its own: one that hangs or crashes costs one failure."""
        with (tempfile.NamedTemporaryFile(suffix=".json") as result_file,
              tempfile.TemporaryFile("w+") as output):
            process = subprocess.Popen(
                [PYTHON, self.path("scripts/lib/unittests.py"), directory, module,
                 result_file.name], env=environment, start_new_session=True,
                stdout=output, stderr=subprocess.STDOUT)
            try:
                process.wait(MODULE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                say(f"{module} took more than {MODULE_TIMEOUT_S} s")
            finally:
                self.end_session(process)
                output.seek(0)
                print(output.read(), end="", flush=True)
            counts = json.loads(result_file.read() or b"{}")
        return Totals(**counts) if counts else Totals(failed=1)

    @staticmethod
    def end_session(process):
        """Ends what a module left running: the session is its own and holds nothing else."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    # -- The rest ---------------------------------------------------------------------------------

    def asan(self):
        totals = Totals()
        self.ahead["asan"].result()
        for suite in MESON_SUITES:
            totals.add(self.meson_suite("asan", suite))
        totals.add(self.integration("asan"))
        return totals

    def tsan_targets(self):
        self.build("--configure", "tsan")
        wanted = [t for t in self.meson_tests("tsan", "unit") if t["name"] in THREADED_TESTS]
        return [os.path.relpath(test["cmd"][0], self.path("build/tsan")) for test in wanted]

    def tsan(self):
        self.ahead["tsan"].result()
        return self.meson_suite("tsan", "unit", only=THREADED_TESTS)

    def counting_script(self, name):
        """lint and layers: scripts that end in a line like ours."""
        script = {"lint": "lint", "layers": "check_layers"}[name]
        arguments = ["--self-test", "--totals"] if name == "layers" else []
        result = subprocess.run([self.path("scripts", script), *arguments], text=True,
                                stdout=subprocess.PIPE, check=False)
        print(result.stdout, end="", flush=True)
        words = (result.stdout.strip().splitlines() or [""])[-1].replace(",", "").split()
        if len(words) < 4 or words[1] != "passed" or words[3] != "failed":
            say(f"{script} ended with status {result.returncode} and no totals")
            return Totals(failed=1)
        totals = Totals(int(words[0]), int(words[2]))
        return totals if totals.passed + totals.failed else self.ran_nothing(name)

    @staticmethod
    def ran_nothing(what):
        say(f"{what}: no test ran, which counts as a failure")
        return Totals(failed=1)


def main():
    root, suites = sys.argv[1], sys.argv[2:] or list(DEFAULT_SUITES)
    unknown = [name for name in suites if name not in ALL_SUITES]
    if unknown:
        print(f"unknown suite {unknown[0]}; there are {' '.join(ALL_SUITES)}", file=sys.stderr)
        return 2
    runner = Runner(root)
    totals = Totals()
    if any(name in (*MESON_SUITES, "integration", "lint") for name in suites):
        try:
            runner.build("release")  # lint reads its compile_commands.json
        except subprocess.CalledProcessError as error:
            say(f"build: {error}")
            totals.failed += 1
    runner.build_ahead([kind for kind in SANITIZERS if kind in suites])
    for name in suites:
        try:
            totals.add(runner.run_suite(name))
        except subprocess.CalledProcessError as error:
            say(f"suite {name}: {error}")
            totals.add(Totals(failed=1))
    print(totals, flush=True)
    return 1 if totals.failed else 0


sys.exit(main())
