"""x bench called wrongly: one line that names the choices, status 64, and nothing is built or booted."""

import os
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def bench(*words):
    return subprocess.run([os.path.join(ROOT, "x"), "bench", *words], capture_output=True, text=True)


class Usage(unittest.TestCase):
    def refused(self, words, *named):
        run = bench(*words)
        self.assertEqual((run.returncode, run.stdout), (64, ""), run.stderr)
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        for choice in named:
            self.assertIn(choice, run.stderr)

    def test_mode(self):
        self.refused(["--mode", "fast"], "count", "time")

    def test_benchmark(self):
        self.refused(["--filter", "no_such_row"], "syscall/null_mach", "ipc/rpc_inline/64")

    def test_expression(self):
        self.refused(["--filter", "("], "regular expression")

    def test_variant(self):
        self.refused(["--variant", "fast"], "release", "debug")

    def test_numbers(self):
        for words in (["--cpus", "0"], ["--cpus", "65"], ["--cpus", "two"], ["--repetitions", "0"]):
            self.refused(words)

    def test_machine_too_small(self):
        self.refused(["--cpus", "1", "--filter", "^ipc/rpc_cross_cpu"], "larger")

    def test_option(self):
        self.refused(["--fast"], "--mode", "--filter")

    def test_list(self):
        run = bench("--list", "--filter", "^boot/")
        self.assertEqual((run.returncode, run.stdout), (0, "boot/to_init\n"))


if __name__ == "__main__":
    unittest.main()
