"""Model mode and counts on several CPUs, from end to end: what the QEMU plugin adds to x bench."""

import json
import os
import subprocess
import tempfile
import unittest

from perf import results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMEOUT_S = 280


def bench(folder, *words):
    command = [os.path.join(ROOT, "x"), "bench", "--out", folder, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)


class Model(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, *parts):
        return os.path.join(self.folder.name, *parts)

    def test_asids_are_reused(self):
        run = bench(self.folder.name, "--mode", "model", "--filter", "^vm/asid_reuse", "--repetitions", "2")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("model mode, 1 CPU: 2 runs identical", run.stderr)
        loaded = results.load(self.path("pluot-model-cpus1.json"))
        for tasks in (2, 8, 32):
            row = f"vm/asid_reuse/{tasks}"
            self.assertEqual(loaded.counter(row, "walks"), 0.0)
            # each switch costs at least the pages that the task writes to
            self.assertGreaterEqual(loaded.counter(row, "walks_without_asids"), 4.0)
            self.assertEqual(loaded.counter(row, "asid_switches"), 1.0)
        self.assertIn("cycles: <not supported>", run.stdout)
        self.assertIn("cycles", loaded.context["not_supported"])
        self.assertTrue(os.path.exists(self.path("report", "pluot-model-asid-reuse.svg")))

    def test_a_smaller_tlb_walks(self):
        run = bench(self.folder.name, "--mode", "model", "--filter", "^vm/asid_reuse/32", "--model",
                    "l2tlb=64:4,dtlb=16:16")
        self.assertEqual(run.returncode, 0, run.stderr)
        loaded = results.load(self.path("pluot-model-cpus1.json"))
        self.assertGreater(loaded.counter("vm/asid_reuse/32", "walks"), 1.0)
        self.assertIn("l2tlb=64:4", loaded.context["model"])

    def test_counts_on_several_cpus(self):
        run = bench(self.folder.name, "--mode", "count", "--cpus", "2", "--repetitions", "2", "--filter",
                    "^(ipc/rpc_cross_cpu/0|scale/null_unix|syscall/null_unix)$")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("2 runs identical", run.stderr)
        with open(self.path("pluot-count-cpus2.json"), encoding="utf-8") as source:
            entries = {e["name"]: e for e in json.load(source)["benchmarks"] if e["run_type"] == "iteration"}
        both = entries["ipc/rpc_cross_cpu/0"]
        self.assertAlmostEqual(both["instructions"], both["instructions_cpu0"] + both["instructions_cpu1"], delta=1)
        self.assertGreater(both["instructions_cpu1"], 100)
        # two that do not meet do the same as one alone
        alone = entries["scale/null_unix/threads:1"]["instructions"]
        self.assertAlmostEqual(entries["scale/null_unix/threads:2"]["instructions"], alone, delta=0.1)
        self.assertAlmostEqual(entries["syscall/null_unix"]["instructions"], alone, delta=0.1)

    def test_wrong_use(self):
        for words in (["--model", "l3=1:1"], ["--model", "l2"], ["--model", "l2tlb=10:4"],
                      ["--model", "l1d=49152:4"], ["--mode", "model", "--guest", "linux"]):
            run = bench(self.folder.name, *words)
            self.assertEqual((run.returncode, run.stderr.count("\n")), (64, 1), run.stderr)


if __name__ == "__main__":
    unittest.main()
