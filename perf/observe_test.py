"""The plugin's reports: read strictly; and end to end: what a run says of the guest must agree with what the guest
counted itself."""

import os
import re
import subprocess
import unittest

from perf import golines, observe, plugin_report, runner

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMEOUT_S = 280

def x(*words):
    return subprocess.run([os.path.join(ROOT, "x"), *words], capture_output=True, text=True, timeout=TIMEOUT_S)


class Report(unittest.TestCase):
    def parse(self, text):
        row, = plugin_report.parse(text)
        return observe.Observation("a/row", row, 1.0, 0)

    def test_profile(self):
        seen = self.parse("row 0 1 10\ninsn fffffe0007004000 12\ninsn 100000 3\nbatches 2\nend\n")
        self.assertEqual((seen.batches, seen.instructions), (2, {0xfffffe0007004000: 12, 0x100000: 3}))
        self.assertEqual(seen.operations, 20)

    def test_counts(self):
        text = ("row 0 1 1000\ncpu 0 0 75005 1\ncpu 0 1 10000 2\ncpu 1 0 75005 5\ncounters instructions walks\n"
                "batches 2\nrow 1 2 10\nbatches 0\nend\n")
        first, second = plugin_report.parse(text)
        self.assertEqual(first.per_operation(), {"instructions": 75.0, "instructions_cpu0": 75.0,
                                                 "instructions_cpu1": 0.0, "walks": 0.003})
        self.assertEqual((second.workers, second.cpus), (2, {}))

    def test_figures_of_the_guest_are_replaced(self):
        outcome = runner.Outcome(
            measurements=[golines.Measurement("a/b", 10, {"instructions/op": 9.0}),
                          golines.Measurement("boot/x", 1, {"instructions/op": 5.0})],
            started=["skipped/row", "a/b", "boot/x"])
        rows = plugin_report.parse("row 0 1 1\nbatches 0\nrow 1 1 10\ncpu 0 0 70 20\ncounters instructions walks\n"
                                   "batches 1\nrow 2 1 1\nbatches 0\nend\n")
        plugin_report.apply(outcome, rows, "count")
        self.assertEqual([m.values for m in outcome.measurements],
                         [{"instructions/op": 7.0, "walks": 2.0}, {"instructions/op": 5.0}])
        plugin_report.apply(outcome, rows, "model")
        self.assertEqual(([m.name for m in outcome.measurements], list(outcome.skipped)), (["a/b"], ["boot/x"]))

    def test_stacks(self):
        seen = self.parse("row 0 1 1\nbatches 1\nnode 0 0 0\nat 0 10 1\nnode 1 0 20\nnode 2 1 30\nat 2 40 7\nnode 3 0 0\nat 3 40 2\n"
                          "unmatched 0\nend\n")
        self.assertEqual(seen.chains, {((), 0x10): 1, ((0x20, 0x30), 0x40): 7, ((), 0x40): 2})
        self.assertEqual(seen.instructions, {0x10: 1, 0x40: 9})

    def test_sharing(self):
        text = "row 0 2 10\nlines 9 conflicts 1\nline 40 true 3\nuse 0 ff 10 1 20\nuse 1 1 30 0 0\nbatches 4\nend\n"
        seen = self.parse(text)
        self.assertEqual((seen.touched, len(seen.lines), len(seen.lines[0].uses)), (9, 1, 2))

    def test_a_cut_report_is_refused(self):
        for text in ("", "row 0 1 1\nbatches 2\n"):
            with self.assertRaises(plugin_report.ReportError):
                plugin_report.parse(text)


class EndToEnd(unittest.TestCase):
    def test_profile_agrees_with_the_row(self):
        run = x("profile", "syscall/null_unix")
        self.assertEqual(run.returncode, 0, run.stderr)
        seen = re.search(r": ([\d.]+) instructions per operation, \d+ operations \(the row itself: ([\d.]+)", run.stdout)
        self.assertTrue(seen, run.stdout)
        # reading the counter at both ends of a batch is in the one figure and not in the other
        self.assertAlmostEqual(float(seen[1]), float(seen[2]), delta=1.0)
        self.assertIn("sys_getppid", run.stdout)

    def test_unknown_row(self):
        run = x("profile", "no/such")
        self.assertEqual(run.returncode, 64)
        self.assertEqual(run.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
