"""x compare on files: words, exit status, and one-line refusals."""

import os
import subprocess
import tempfile
import unittest

from perf import made_up, results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def compare(*words):
    return subprocess.run([os.path.join(ROOT, "x"), "compare", *words], capture_output=True, text=True)


class Compare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def count(self, side, factor=1.0, drop=(), **more):
        lines = [f"{made_up.wire(n)} 1000 {round(v * factor)} instructions/op"
                 for n, v in made_up.COUNTS.items() if n not in drop]
        path = os.path.join(self.folder, side, "pluot-count-cpus1.json")
        results.write(path, made_up.document("count", 1, lines, **more))
        return path

    def time(self, side, values, **more):
        context = {**made_up.CONTEXT, "mode": "time", "cpus": "2", **more}
        entries = []
        for boot, value in enumerate(values):
            entry = {"name": "a/b", "run_name": "a/b", "run_type": "iteration", "repetitions": len(values),
                     "repetition_index": boot, "threads": 1, "iterations": 1, "real_time": value, "cpu_time": value,
                     "time_unit": "ns"}
            entries.append(entry)
        path = os.path.join(self.folder, side, "pluot-time-cpus2.json")
        results.write(path, results.document(context, entries))
        return path

    def test_counts(self):
        old, same, slower = self.count("old"), self.count("same"), self.count("slower", 1.1)
        run = compare(old, same)
        self.assertEqual((run.returncode, "11 no change" in run.stdout), (0, True), run.stdout + run.stderr)
        run = compare(old, slower)
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stdout, r"syscall/null_mach +80 +88 +\+10\.0 % +slower")
        self.assertEqual(compare(slower, old).returncode, 0)

    def test_a_missing_row_is_listed(self):
        run = compare(self.count("old"), self.count("new", drop=("syscall/null_mach",)))
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stdout, r"syscall/null_mach +80 +- +missing")

    def test_times(self):
        old = self.time("old", [100, 101, 99, 102, 98, 100.5])
        slower = self.time("slower", [120, 121, 119, 122, 118, 120.5])
        few = self.time("few", [120, 121])
        self.assertEqual(compare(old, slower).returncode, 1)
        self.assertEqual(compare(slower, old).returncode, 0)
        run = compare(old, few)
        self.assertEqual((run.returncode, "fewer than 4 boots" in run.stdout), (2, True), run.stdout)

    def test_folders_and_markdown(self):
        self.count("old"), self.time("old", [100] * 5), self.count("new", 1.1), self.time("new", [100] * 5)
        summary = os.path.join(self.folder, "summary.md")
        run = compare(os.path.join(self.folder, "old"), os.path.join(self.folder, "new"), "--markdown", summary)
        self.assertEqual(run.returncode, 1, run.stderr)
        with open(summary, encoding="utf-8") as text:
            self.assertRegex(text.read(), r"(?s)### count mode, 1 CPU: 11 slower.*\| syscall/null_mach \| 80 \| 88 .*### time mode")

    def refused(self, words, *arguments):
        run = compare(*arguments)
        self.assertEqual((run.returncode, run.stdout, len(run.stderr.splitlines())), (64, "", 1), run.stderr)
        self.assertIn(words, run.stderr)

    def test_refusals(self):
        old = self.count("old")
        with open(os.path.join(self.folder, "cut.json"), "w", encoding="utf-8") as out:
            out.write('{"context": {')
        self.refused("not a result file (cut off", old, os.path.join(self.folder, "cut.json"))
        self.refused("nothing in common", old, self.time("new", [1]))
        self.refused("qemu_version is 7.2.22 and 8.0", old, self.count("other", qemu_version="8.0"))
        self.refused("different hosts", self.time("here", [1]), self.time("there", [1], host_name="elsewhere"))
        self.refused("two revisions", old, "HEAD")
        self.refused("'no-such-thing'", "no-such-thing", "HEAD")
        self.refused("give a number", "HEAD~1", "HEAD", "--boots", "0")


if __name__ == "__main__":
    unittest.main()
