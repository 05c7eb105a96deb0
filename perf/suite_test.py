"""Registration lines and the plan of boots that follows from them."""

import os
import tempfile
import unittest

from perf import suite

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Rows(unittest.TestCase):
    def tree(self, guest, kernel=""):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for where, text in (("guest", guest), ("kernel", kernel)):
            os.makedirs(os.path.join(folder.name, "bench", where))
            with open(os.path.join(folder.name, "bench", where, "a.c"), "w") as out:
                out.write(text)
        return folder.name

    def test_lines(self):
        root = self.tree(
            'BENCHMARK("a/b/64", b, .arg = 64);\nBENCHMARK("scale/c", c, .workers = true, .cpus = 2);\n',
            'KBENCH("kernel/z", z);\n')
        self.assertEqual(suite.rows(root), [
            suite.Row("a/b/64", 1, False, False), suite.Row("scale/c", 2, True, False), suite.Row("kernel/z", 1, False, True)])

    def test_a_line_the_host_cannot_read_is_refused(self):
        for text in ('BENCHMARK("a/b",\n\tb);\n', "BENCHMARK(NAME, b);\n", 'BENCHMARK("A/b", b);\n'):
            with self.assertRaises(suite.SuiteError):
                suite.rows(self.tree(text))

    def test_a_name_twice_is_refused(self):
        with self.assertRaisesRegex(suite.SuiteError, "registered twice: a/b"):
            suite.rows(self.tree('BENCHMARK("a/b", b);\nBENCHMARK("a/b", c);\n'))

    def test_the_tree(self):
        names = {row.name for row in suite.rows(ROOT)}
        for wanted in ("syscall/null_mach", "ipc/rpc_inline/64", "kernel/zone_alloc_free", "scale/rpc_pairs", "boot/to_init"):
            self.assertIn(wanted, names)


    def test_each_guest_has_its_own(self):
        linux = {row.name for row in suite.rows(ROOT, "linux")}
        pluot = {row.name for row in suite.rows(ROOT, "pluot")}
        self.assertIn("ipc/linux_pipe/64", linux - pluot)
        self.assertIn("ipc/rpc_inline/64", pluot - linux)
        self.assertIn("kernel/zone_alloc_free", pluot - linux)
        self.assertIn("syscall/null_unix", pluot & linux)


class Plan(unittest.TestCase):
    ONE = suite.Row("a/b", 1, False, False)
    TWO = suite.Row("a/cross", 2, False, False)
    FOUR = suite.Row("boot/x", 4, False, False)
    SCALE = suite.Row("scale/x", 2, True, False)

    TIMED = suite.Row("wake/hop", 2, False, False, True)

    def test_timed_rows_are_for_time_mode(self):
        self.assertEqual(self.boots([self.ONE, self.TIMED], ["count", "time"], None), [("count", 1, ["a/b"]), ("time", 2, ["a/b", "wake/hop"])])
        self.assertEqual(self.boots([self.ONE, self.TIMED], ["count"], [2]), [("count", 2, ["a/b"])])
        self.assertEqual(self.boots([self.TIMED], ["count"], None), [])

    def boots(self, rows, modes, cpus):
        return [(b.mode, b.cpus, [r.name for r in b.rows]) for b in suite.plan(rows, modes, cpus)]

    def test_default(self):
        rows = [self.ONE, self.TWO, self.FOUR, self.SCALE]
        self.assertEqual(self.boots(rows, ["count", "time"], []), [
            ("count", 1, ["a/b"]), ("count", 2, ["a/cross", "scale/x"]), ("count", 4, ["boot/x"]),
            ("time", 2, ["a/b", "a/cross", "scale/x"])])

    def test_sizes_asked_for(self):
        rows = [self.ONE, self.TWO, self.FOUR]
        self.assertEqual(self.boots(rows, ["count"], [1, 4]), [("count", 1, ["a/b"]), ("count", 4, ["a/b", "a/cross", "boot/x"])])

    def test_nothing_fits(self):
        self.assertEqual(self.boots([self.TWO], ["count"], [1]), [])

    def test_workers(self):
        self.assertEqual([suite.worker_counts(n) for n in (1, 2, 4, 6)], [(1,), (1, 2), (1, 2, 4), (1, 2, 4, 6)])


if __name__ == "__main__":
    unittest.main()
