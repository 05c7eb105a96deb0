"""x gate: reruns of one build pass, a slow-down fails, a baseline from elsewhere is said to be so."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from perf import baseline, gate, made_up, results, verdicts

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS = "^syscall/null_"
SEED = ("osfmk/mach/null_trap.c", "\treturn KERN_SUCCESS;", '\t__asm__ volatile("nop\\n\\tnop\\n\\tnop");\n\treturn KERN_SUCCESS;')


def x(tree, *words):
    return subprocess.run([os.path.join(tree, "x"), *words], capture_output=True, text=True, timeout=280)


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.baseline = os.path.join(self.folder, "counts.json")

    def gate(self, *words, tree=ROOT):
        return x(tree, "gate", "--filter", ROWS, "--baseline", self.baseline, "--out", os.path.join(self.folder, "out"), *words)


class Gate(Base):
    def test_reruns_pass_and_a_slow_down_fails(self):
        self.assertEqual(self.gate("--accept", "start").returncode, 0)
        again = self.gate()
        self.assertEqual((again.returncode, "2 of 2 rows: no change" in again.stdout), (0, True), again.stdout + again.stderr)
        doc = baseline.load(self.baseline)
        doc["rows"]["syscall/null_unix on 1 CPU"] -= 2
        results.write(self.baseline, doc)
        slower = self.gate()
        self.assertEqual(slower.returncode, 1)
        self.assertRegex(slower.stdout, r"syscall/null_unix on 1 CPU .* slower")
        self.assertIn("FAILED", slower.stdout)
        self.assertEqual(self.gate("--accept", "null_unix checks more").returncode, 0)
        history = baseline.load(self.baseline)["history"]
        self.assertEqual([entry["reason"] for entry in history], ["start", "null_unix checks more"])
        self.assertEqual(list(history[1]["changed"]), ["syscall/null_unix on 1 CPU"])

    def test_no_baseline(self):
        run = self.gate()
        self.assertEqual((run.returncode, len(run.stderr.splitlines())), (64, 1), run.stderr)

    def test_broken_baseline(self):
        for text in ("", "{", "[]", '{"format": 7, "rows": {}}'):
            with open(self.baseline, "w", encoding="utf-8") as out:
                out.write(text)
            run = self.gate()
            self.assertEqual((run.returncode, "not a baseline" in run.stderr), (1, True), run.stderr)

    def test_a_seeded_slow_down_in_the_kernel(self):
        if not os.environ.get("TEST_LONG"):
            self.skipTest("builds a second tree: x test --long")
        self.assertEqual(self.gate("--accept", "start").returncode, 0)
        tree = os.path.join(self.folder, "tree")
        shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns("out", ".git"))
        path = os.path.join(tree, SEED[0])
        with open(path, encoding="utf-8") as source:
            text = source.read()
        self.assertIn(SEED[1], text)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text.replace(SEED[1], SEED[2]))
        run = self.gate(tree=tree)
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        self.assertRegex(run.stdout, r"syscall/null_mach on 1 CPU +\d+ +\d+ .* slower")


class Baseline(Base):
    def load(self):
        path = os.path.join(self.folder, "pluot-count-cpus1.json")
        results.write(path, made_up.count_document())
        return [results.load(path)]

    def test_another_compiler_is_named(self):
        loaded = self.load()
        baseline.accept(None, loaded, "start", [], self.baseline)
        doc = baseline.load(self.baseline)
        self.assertEqual(baseline.foreign(doc, loaded[0].context), "")
        self.assertEqual(baseline.foreign(doc, {**loaded[0].context, "compiler": "clang 20"}),
                         "compiler is clang 20, the baseline's clang 19")

    def test_a_filter_asks_only_for_its_rows(self):
        rows = {"a/b on 1 CPU": 1, "a/c on 1 CPU": 2, "scale/d/threads:2 on 2 CPUs": 3}
        self.assertEqual(set(gate.chosen_rows(rows, {"a/b", "scale/d"}, {})), {"a/b on 1 CPU", "scale/d/threads:2 on 2 CPUs"})
        self.assertEqual(gate.chosen_rows(rows, None, {}), rows)

    def test_the_tree_has_one(self):
        with open(baseline.PATH, encoding="utf-8") as source:
            doc = json.load(source)
        self.assertTrue(doc["history"] and all(entry["reason"] for entry in doc["history"]))
        self.assertTrue(verdicts.counts(doc["rows"], doc["rows"]))


if __name__ == "__main__":
    unittest.main()
