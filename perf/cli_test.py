"""x bench called wrongly: one line that names the choices, status 64, and nothing is built or booted."""

import os
import subprocess
import tempfile
import unittest

from perf import cli, made_up, results, suite

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


class PutAway(unittest.TestCase):
    """What an earlier run left in the folder of a new one."""

    def left(self, commit, now, boots):
        """What stays of results of `commit` (count and time mode) when `boots` of `now` are to be measured."""
        with tempfile.TemporaryDirectory() as folder:
            for name, doc in (("pluot-count-cpus1", made_up.count_document(kernel_commit=commit)),
                              ("pluot-time-cpus2", made_up.time_document(kernel_commit=commit))):
                results.write(os.path.join(folder, name + ".json"), doc)
                for log in (".console.log", "-run2.console.log"):
                    with open(os.path.join(folder, name + log), "w", encoding="utf-8"):
                        pass
            cli._put_away(folder, "pluot", {**made_up.CONTEXT, "kernel_commit": now}, boots)
            return sorted(name for name in os.listdir(folder) if name != "previous")

    def test_other_modes_of_the_same_kernel_stay(self):
        self.assertEqual(self.left("abc", "abc", [suite.Boot("count", 1, (), ())]),
                         ["pluot-time-cpus2-run2.console.log", "pluot-time-cpus2.console.log", "pluot-time-cpus2.json"])

    def test_another_kernel_goes(self):
        self.assertEqual(self.left("abc", "def", [suite.Boot("model", 1, (), ())]), [])

    def test_a_tree_with_changes_may_be_another_kernel(self):
        self.assertEqual(self.left("abc+changes", "abc+changes", [suite.Boot("model", 1, (), ())]), [])


if __name__ == "__main__":
    unittest.main()
