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


# All that tests the memory system, and what lives by it. Of vm_pressure two tests: the others fill and compress memory
# again and again, and are not at their end after 100 s each. Of vm_copy all but the copies of much memory.
PRESSURE = "vm_pressure compressed_pages_come_back shared_purgeable_memory_goes_first"
COPIES = "vm_copy destination each files over overlap parts pages_are sources storm write"
PROGRAMS = ("vm_stress", "mmap_stress", "vm_calls", COPIES, "vm_kinds", "vm_end", "vm_badargs", PRESSURE, "vm_exhaustion", "thread_faults",
            "process", "mmap", "memory", "memory_entry", "spawn", "exec", "shared_region")


class Programs(unittest.TestCase):
    def test_none_of_the_vm_is_left_out(self):
        files = os.listdir(os.path.join(ROOT, "tests", "guest"))
        self.assertLessEqual({name[:-len("_test.c")] for name in files if re.match(r"(vm_|m(map|emory)).*_test\.c$", name)},
                             {program.split()[0] for program in PROGRAMS})


class EndToEnd(unittest.TestCase):
    def clean(self, cpus, program, *options):
        run = x("stale", "--variant", "debug", "--cpus", str(cpus), *options, *("/tests/" + program).split())
        self.assertEqual(run.returncode, 0, run.stdout[-2000:] + run.stderr)
        self.assertIn("stale translations used: 0 (", run.stdout)

    def test_the_vm_stress_is_clean(self):
        for cpus in (2, 4):
            with self.subTest(cpus=cpus):
                self.clean(cpus, "vm_stress")

    def test_a_missing_invalidation_is_found(self):
        # Of the address that one is for, some CPU must have a translation and use it again: most of them do.
        found = 0
        for which in (200, 300, 500):
            run = x("stale", "--variant", "debug", "--cpus", "2", "--append", f"pmap_skip_tlbi={which}")
            self.assertIn("was left out on purpose", run.stdout)
            found += run.returncode == 1 and re.search(r"stale: cpu \d, ASID \d+, address 0x", run.stdout) is not None
        self.assertGreaterEqual(found, 2)

    @unittest.skipUnless(os.environ.get("TEST_LONG"), "with --long")
    def test_programs_that_use_memory_are_clean(self):
        for cpus in (1, 2, 4):
            for program in PROGRAMS:
                with self.subTest(cpus=cpus, program=program):
                    self.clean(cpus, program, "--host-clock")


if __name__ == "__main__":
    unittest.main()
