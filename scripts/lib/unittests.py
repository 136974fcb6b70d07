"""Runs one unittest module and writes its exact counts as JSON.

    unittests.py DIRECTORY MODULE RESULT_FILE

Counted here rather than read off unittest's summary, which leaves failures of setUpClass and
setUpModule out of "Ran N tests".
"""

import json
import sys
import unittest


class CountingResult(unittest.TextTestResult):
    """Gives each test exactly one outcome; a failure outside of any test counts as one failed."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self._outcome = None

    def startTest(self, test):
        super().startTest(test)
        self._outcome = "passed"

    def stopTest(self, test):
        super().stopTest(test)
        self.counts[self._outcome] += 1
        self._outcome = None

    def _note(self, outcome):
        if self._outcome is None:  # setUpClass, setUpModule or their tearDowns
            self.counts[outcome] += 1
        elif self._outcome != "failed":
            self._outcome = outcome

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note("failed")

    def addError(self, test, err):
        super().addError(test, err)
        self._note("failed")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note("failed")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._note("failed")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note("skipped")


def main():
    directory, module, result_file = sys.argv[1:4]
    sys.path.insert(0, directory)
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    runner = unittest.TextTestRunner(verbosity=2, resultclass=CountingResult)
    result = runner.run(suite)
    with open(result_file, "w", encoding="utf-8") as file:
        json.dump(result.counts, file)
    return 1 if result.counts["failed"] else 0


sys.exit(main())
