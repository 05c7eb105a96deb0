"""Boots that end in every way, played by small shell scripts in QEMU's place."""

import io
import os
import tempfile
import unittest

from perf import runner
from perf.progress import Progress

MEASURED = "printf 'bench-plan: 2\\nbench-start: a/b\\nBenchmarkA/b 10 5 instructions/op\\n'; "


class Run(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.log = os.path.join(self.folder.name, "console.log")
        self.out = io.StringIO()

    def play(self, script, **options):
        return runner.run(["/bin/sh", "-c", script], "count", self.log, Progress(2, self.out), **options)

    def test_whole_run(self):
        outcome = self.play(MEASURED + "printf 'noise\\nbench-skip: c/d no PMU\\nbench-done: 1\\n'")
        self.assertEqual(outcome.reason, "")
        self.assertEqual([m.name for m in outcome.measurements], ["a/b"])
        self.assertEqual(outcome.skipped, {"c/d": "no PMU"})
        self.assertIn("[1/2] a/b  5 instructions/op", self.out.getvalue())
        with open(self.log) as log:
            self.assertIn("noise", log.read())

    def test_panic_keeps_what_was_measured(self):
        outcome = self.play(MEASURED + "printf 'bench-start: c/d\\npanic(cpu 0): oh\\n  x0 0\\n'; exit 125")
        self.assertEqual(outcome.reason, "the kernel panicked in c/d")
        self.assertEqual(len(outcome.measurements), 1)
        self.assertEqual(outcome.panic, ["panic(cpu 0): oh", "  x0 0"])

    def test_hang_asks_for_backtraces_and_ends_the_guest(self):
        pid_file = os.path.join(self.folder.name, "pid")
        outcome = self.play(
            MEASURED + f"echo $$ >{pid_file}; exec sleep 60", silence_s=0.3, on_hang=lambda: ["cpu 0: idle"])
        self.assertIn("the guest hung in a/b", outcome.reason)
        self.assertEqual(outcome.panic, ["cpu 0: idle"])
        self.assertEqual(len(outcome.measurements), 1)
        with self.assertRaises(ProcessLookupError):
            with open(pid_file) as pid:
                os.kill(int(pid.read()), 0)

    def test_endless_chatter_is_stopped(self):
        outcome = self.play(MEASURED + "while :; do echo x; sleep 0.05; done", limit_s=0.5)
        self.assertIn("the guest was stopped in a/b", outcome.reason)

    def test_killed_qemu(self):
        outcome = self.play(MEASURED + "kill -9 $$")
        self.assertEqual(outcome.reason, "QEMU was killed by signal 9 in a/b")

    def test_early_end(self):
        self.assertEqual(self.play(MEASURED).reason, "the guest ended in a/b with status 0 before it was done")

    def test_half_a_line_at_the_end(self):
        outcome = self.play("printf 'BenchmarkA/b 10 5 instructions/op'")
        self.assertEqual(len(outcome.measurements), 1)

    def test_failed_row(self):
        outcome = self.play("printf 'bench-fail: a/b 3 of 4 pages\\nbench-done: 0\\n'; exit 1")
        self.assertEqual(outcome.failed, {"a/b": "3 of 4 pages"})
        self.assertEqual(outcome.reason, "")


if __name__ == "__main__":
    unittest.main()
