"""x profile, end to end: both sources agree, runs are identical, every file is read back, wrong use is told in a line."""

import os
import re
import subprocess
import tempfile
import unittest

from perf import sampling, stacks

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def x(*words):
    return subprocess.run([os.path.join(ROOT, "x"), "profile", *words], capture_output=True, text=True, timeout=250)


def read(folder, name):
    with open(os.path.join(folder, "syscall-null_unix", name), encoding="utf-8") as file:
        return file.read()


class EndToEnd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pluot-")
        cls.run_of_it = x("syscall/null_unix", "--out", cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_it_works(self):
        self.assertEqual(self.run_of_it.returncode, 0, self.run_of_it.stderr)
        self.assertIn("sys_getppid", self.run_of_it.stdout)
        self.assertNotIn("met no call", self.run_of_it.stderr)

    def test_files_are_read_back(self):
        samples, event = stacks.read_script(read(self.folder.name, "samples.linux-perf.txt"))
        self.assertEqual(event, "instructions")
        folded = stacks.read_folded(read(self.folder.name, "samples.folded"))
        self.assertEqual(sum(folded.values()), sum(s.weight for s in samples))
        for name in ("samples.svg", "exact.svg"):
            self.assertTrue(read(self.folder.name, name).startswith("<svg "))

    def test_exact_stacks_hold_every_instruction(self):
        told = re.search(r": ([\d,.]+) instructions per operation, (\d+) operations", self.run_of_it.stdout)
        folded = stacks.read_folded(read(self.folder.name, "exact.folded"))
        self.assertAlmostEqual(sum(folded.values()) / int(told[2]), float(told[1].replace(",", "")), delta=0.06)

    def test_sources_agree(self):
        def kernel_share(name):
            folded = stacks.read_folded(read(self.folder.name, name))
            inside = sum(weight for names, weight in folded.items() if names[-1].endswith(stacks.KERNEL_MARK))
            return inside / sum(folded.values())
        self.assertAlmostEqual(kernel_share("exact.folded"), kernel_share("samples.folded"), delta=0.02)

    def test_runs_are_identical(self):
        with tempfile.TemporaryDirectory(prefix="pluot-") as again:
            self.assertEqual(x("syscall/null_unix", "--out", again).returncode, 0)
            for name in ("exact.folded", "samples.folded", "samples.linux-perf.txt"):
                self.assertEqual(read(again, name), read(self.folder.name, name))

    def test_no_sample(self):
        run = x("syscall/null_unix", "--source", "samples", "--period", "900000000000", "--out", self.folder.name)
        self.assertEqual((run.returncode, run.stderr.count("no sample fell into a batch")), (1, 1), run.stderr)

    def test_wrong_usage(self):
        for words in (("no/such",), ("syscall/null_unix", "--period", "5"), ("syscall/null_unix", "--source", "guess")):
            run = x(*words)
            self.assertEqual((run.returncode, run.stderr.count("\n")), (64, 1), run.stderr)
        self.assertIn("syscall/null_unix", x("null_unix").stderr)


class Loss(unittest.TestCase):
    def test_loss_is_kept(self):
        taken = sampling.parse(["bench-profile: a/b period 9 clock 1\n", "bench-profile-end: a/b samples 0 lost 7\n"])
        self.assertEqual(taken.lost, 7)


if __name__ == "__main__":
    unittest.main()
