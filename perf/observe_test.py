"""The plugin's reports: read strictly; and end to end: what a run says of the guest must agree with what the guest
counted itself, and rows of independent work must share no line."""

import os
import re
import subprocess
import unittest

from perf import observe, observe_cli

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMEOUT_S = 280

# What two CPUs do without writing a common cache line.
INDEPENDENT = ("scale/null_unix", "scale/rpc_pairs", "scale/fault_zero_fill")


def x(*words):
    return subprocess.run([os.path.join(ROOT, "x"), *words], capture_output=True, text=True, timeout=TIMEOUT_S)


class Report(unittest.TestCase):
    def parse(self, text):
        return observe.parse(text, observe.Observation(1, 1.0, 0))

    def test_profile(self):
        seen = self.parse("batches 2\ninsn fffffe0007004000 12\ninsn 100000 3\nend\n")
        self.assertEqual((seen.batches, seen.instructions), (2, {0xfffffe0007004000: 12, 0x100000: 3}))

    def test_stacks(self):
        seen = self.parse("batches 1\nnode 0 0 0\nat 0 10 1\nnode 1 0 20\nnode 2 1 30\nat 2 40 7\nnode 3 0 0\nat 3 40 2\n"
                          "unmatched 0\nend\n")
        self.assertEqual(seen.chains, {((), 0x10): 1, ((0x20, 0x30), 0x40): 7, ((), 0x40): 2})
        self.assertEqual(seen.instructions, {0x10: 1, 0x40: 9})

    def test_sharing(self):
        text = "batches 4\nlines 9 conflicts 1\nline 40 true 3\nuse 0 ff 10 1 20\nuse 1 1 30 0 0\nend\n"
        seen = self.parse(text)
        self.assertEqual((seen.touched, len(seen.lines), len(seen.lines[0].uses)), (9, 1, 2))
        self.assertEqual(len(observe_cli.steady(seen)), 1)
        self.assertEqual(len(observe_cli.steady(self.parse(text.replace("true 3", "true 1")))), 0)

    def test_a_cut_report_is_refused(self):
        for text in ("", "batches 2\n"):
            with self.assertRaises(observe.ObserveError):
                self.parse(text)


class EndToEnd(unittest.TestCase):
    def test_profile_agrees_with_the_row(self):
        run = x("profile", "syscall/null_unix")
        self.assertEqual(run.returncode, 0, run.stderr)
        seen = re.search(r": ([\d.]+) instructions per operation, \d+ operations \(the row itself: ([\d.]+)", run.stdout)
        self.assertTrue(seen, run.stdout)
        # reading the counter at both ends of a batch is in the one figure and not in the other
        self.assertAlmostEqual(float(seen[1]), float(seen[2]), delta=1.0)
        self.assertIn("sys_getppid", run.stdout)

    def test_independent_work_shares_no_line(self):
        for row in INDEPENDENT:
            run = x("sharing", row)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            self.assertIn(f"{row}: 0 lines shared by the operation", run.stdout)

    def test_sharing_is_seen(self):
        run = x("sharing", "ipc/rpc_cross_cpu/0", "--cpus", "2")
        self.assertIn("lines shared by the operation", run.stdout, run.stderr)

    def test_unknown_row(self):
        run = x("profile", "no/such")
        self.assertEqual(run.returncode, 64)
        self.assertEqual(run.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
