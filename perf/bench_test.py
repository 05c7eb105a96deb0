"""x bench from end to end: boots the guest, and holds what it leaves against what it says."""

import os
import re
import subprocess
import tempfile
import unittest

from perf import results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMEOUT_S = 200


def bench(folder, *words):
    command = [os.path.join(ROOT, "x"), "bench", "--out", folder, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)


class Bench(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, *parts):
        return os.path.join(self.folder.name, *parts)

    def test_counts_are_exact(self):
        run = bench(self.folder.name, "--mode", "count", "--filter", "^(syscall/null|kernel/zone)", "--repetitions", "2")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("2 runs identical (3 rows)", run.stderr)
        loaded = results.load(self.path("pluot-count-cpus1.json"))
        self.assertEqual(set(loaded.rows), {"syscall/null_mach", "syscall/null_unix", "kernel/zone_alloc_free"})
        self.assertTrue(loaded.complete)
        for name in loaded.rows:
            self.assertRegex(run.stdout, rf"(?m)^{re.escape(name)} +\d")
        self.assertTrue(run.stdout.rstrip().endswith(self.path("report", "index.html")), run.stdout)
        self.assertTrue(os.path.exists(self.path("report", "index.html")))

    def test_time_has_percentiles_and_scaling(self):
        run = bench(self.folder.name, "--mode", "time", "--filter", "(syscall|scale)/null_unix")
        self.assertEqual(run.returncode, 0, run.stderr)
        loaded = results.load(self.path("pluot-time-cpus2.json"))
        self.assertEqual(
            set(loaded.rows), {"syscall/null_unix", "scale/null_unix/threads:1", "scale/null_unix/threads:2"})
        self.assertLessEqual(loaded.counter("syscall/null_unix", "p50_ns"), loaded.counter("syscall/null_unix", "p99_ns"))
        self.assertGreater(loaded.counter("scale/null_unix/threads:2", "items_per_second"), 0)
        self.assertTrue(os.path.exists(self.path("report", "pluot-time-scaling.png")))

    def test_an_earlier_run_is_put_away(self):
        for _ in range(2):
            bench(self.folder.name, "--mode", "count", "--filter", "^syscall/null_mach")
        self.assertTrue(os.path.exists(self.path("previous", "pluot-count-cpus1.json")))
        self.assertTrue(os.path.exists(self.path("pluot-count-cpus1.json")))


if __name__ == "__main__":
    unittest.main()
