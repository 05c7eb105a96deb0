#!/usr/bin/python3
"""pyunit.py FILE: runs the unittest cases of a Python file and prints KTAP."""
import importlib
import os
import sys
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Ktap(unittest.TestResult):
    """Prints each case as it ends."""

    number = 0

    def _say(self, verdict, test, note=""):
        self.number += 1
        print(f"{verdict} {self.number} {test.id().split('.', 1)[1]}{note}", flush=True)

    def addSuccess(self, test):
        self._say("ok", test)

    def addSkip(self, test, reason):
        self._say("ok", test, f" # SKIP {reason}")

    def _bad(self, test, error):
        for line in self._exc_info_to_string(error, test).splitlines():
            print("# " + line)
        self._say("not ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._bad(subtest, err)


def main(path):
    sys.path[:0] = [os.path.join(ROOT, "toolchain"), ROOT]
    name = os.path.splitext(os.path.relpath(path, ROOT))[0].replace(os.sep, ".")
    module = importlib.import_module(name)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    print("KTAP version 1")
    result = Ktap()
    suite.run(result)
    print(f"1..{result.number}")
    return 0 if result.wasSuccessful() and result.number else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
