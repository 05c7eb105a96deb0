"""The checker of stale translations: reads its report strictly; the VM stress is clean under it, and a TLBI that the
kernel leaves out on purpose is found."""

import os
import re
import subprocess
import unittest

from perf import plugin_report, stale

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMEOUT_S = 900  # the debug variant may have to be built


def x(*words):
    return subprocess.run([os.path.join(ROOT, "x"), *words], capture_output=True, text=True, timeout=TIMEOUT_S)


class Report(unittest.TestCase):
    def test_findings(self):
        found, uses, tlbis = stale.findings("stale moved 1 2 4000 fffffe0007004000 40000000 40004000\n"
                                            "stale-summary 100 7 1\nend\n")
        self.assertEqual(found, [("moved", 1, 2, 0x4000, 0xfffffe0007004000, 0x40000000, 0x40004000)])
        self.assertEqual((uses, tlbis), (100, 7))

    def test_refused(self):
        for text in ("", "stale-summary 1 1 0\n", "unknown-tlbi\nend\n"):
            with self.assertRaises(plugin_report.ReportError):
                stale.findings(text)


class EndToEnd(unittest.TestCase):
    def test_the_vm_stress_is_clean(self):
        run = x("stale", "--variant", "debug", "--cpus", "2")
        self.assertEqual(run.returncode, 0, run.stdout[-2000:] + run.stderr)
        self.assertIn("stale translations used: 0 (", run.stdout)

    def test_a_missing_invalidation_is_found(self):
        run = x("stale", "--variant", "debug", "--cpus", "2", "--append", "pmap_skip_tlbi=300")
        self.assertEqual(run.returncode, 1, run.stdout[-2000:] + run.stderr)
        self.assertIn("was left out on purpose", run.stdout)
        self.assertTrue(re.search(r"stale: cpu \d, ASID \d+, address 0x", run.stdout), run.stdout[-2000:])


if __name__ == "__main__":
    unittest.main()
