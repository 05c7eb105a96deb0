"""x gate: reruns of one build pass, a slower kernel fails, a baseline from elsewhere is said to be so."""

import contextlib
import io
import os
import subprocess
import tempfile
import unittest
from unittest import mock

from perf import baseline, builds, gate, machine, made_up, results, seeded, verdicts

ROWS = "^syscall/null_"
UNIX = "syscall/null_unix on 1 CPU"


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.baseline = os.path.join(self.folder, "counts.json")

    def words(self, *words):
        return ["--filter", ROWS, "--baseline", self.baseline, "--out", os.path.join(self.folder, "out"), *words]

    def gate(self, *words):
        return subprocess.run([os.path.join(machine.ROOT, "x"), "gate", *self.words(*words)],
                              capture_output=True, text=True, timeout=280, check=False,
                              env={**os.environ, "GITHUB_STEP_SUMMARY": ""})

    def change(self, **keys):
        """Overwrites keys of the baseline, or counts of rows."""
        doc = baseline.load(self.baseline)
        doc["rows"].update(keys.pop("rows", {}))
        results.write(self.baseline, {**doc, **keys})


class Gate(Base):
    def accept(self):
        self.assertEqual(self.gate("--accept", "start").returncode, 0)
        return baseline.load(self.baseline)["rows"][UNIX]

    def test_reruns_pass_and_a_slow_down_fails(self):
        count = self.accept()
        again = self.gate()
        self.assertEqual((again.returncode, "2 of 2 rows: no change" in again.stdout), (0, True), again.stdout + again.stderr)
        self.change(rows={UNIX: count - 2})
        slower = self.gate()
        self.assertEqual(slower.returncode, 1)
        self.assertRegex(slower.stdout, rf"{UNIX} .* slower")
        self.assertIn("FAILED", slower.stdout)
        self.assertEqual(self.gate("--accept", "null_unix checks more").returncode, 0)
        history = baseline.load(self.baseline)["history"]
        self.assertEqual([entry["reason"] for entry in history], ["start", "null_unix checks more"])
        self.assertEqual(history[1]["changed"], {UNIX: [count - 2, count]})

    def test_an_improvement_passes_and_is_named(self):
        self.change_after_accept(+4)
        summary = os.path.join(self.folder, "summary.md")
        run = self.gate("--markdown", summary)
        self.assertEqual(run.returncode, 0)
        self.assertIn(f"passed; faster: {UNIX}", run.stdout)
        with open(summary, encoding="utf-8") as text:
            self.assertRegex(text.read(), rf"### Gate: exact counts: 1 faster, 1 no change(?s:.*)\| {UNIX} \|")

    def change_after_accept(self, difference):
        self.change(rows={UNIX: self.accept() + difference})

    def test_a_tolerance_is_one_rows_and_has_a_reason(self):
        self.accept()
        self.assertEqual(self.gate("--accept", "its stack moves", "--tolerance", "syscall/null_unix=10").returncode, 0)
        doc = baseline.load(self.baseline)
        self.assertEqual(doc["tolerances"], {UNIX: {"share": 0.1, "reason": "its stack moves"}})
        self.change(rows={UNIX: doc["rows"][UNIX] - 3})
        self.assertEqual(self.gate().returncode, 0)
        self.change(rows={UNIX: doc["rows"][UNIX] - 20})
        self.assertEqual(self.gate().returncode, 1)

    def test_a_gone_row_fails(self):
        self.accept()
        self.change(rows={"syscall/null_mach on 64 CPUs": 5})
        run = self.gate()
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stdout, "syscall/null_mach on 64 CPUs .* missing")

    def test_a_slower_kernel_fails(self):
        self.accept()
        slow = seeded.Slow(2)
        self.addCleanup(slow.close)
        run = self.gate("--build", slow.out)
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        self.assertRegex(run.stdout, r"syscall/null_mach on 1 CPU +\d+ +\d+ .* slower")
        self.assertIn("1 of 2 rows: no change", run.stdout)


class OtherTools(Base):
    """A baseline that another compiler made: the commit before is measured instead."""

    def setUp(self):
        super().setUp()
        self.assertEqual(self.gate("--accept", "start").returncode, 0)
        self.change(compiler="clang 7", rows={UNIX: 1})

    def run_here(self, base):
        """The gate in this process, with `base` in place of a revision's build."""
        said, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
            with mock.patch("perf.builds.of_revision", **base) as asked:
                status = gate.main(self.words("--base", "HEAD", "--markdown", ""))
        self.assertEqual(asked.call_count, 1, errors.getvalue())
        return status, said.getvalue()

    def test_the_commit_before_judges(self):
        status, said = self.run_here({"return_value": builds.own("release")})
        self.assertRegex(said, "inconclusive against the accepted counts: compiler is .*, the baseline's clang 7. Measuring HEAD")
        self.assertEqual((status, "2 of 2 rows: no change" in said), (0, True), said)

    def test_and_finds_what_is_slower(self):
        slow = seeded.Slow(2)
        self.addCleanup(slow.close)
        status, said = self.run_here({"return_value": builds.of_folder(slow.out)})
        self.assertEqual(status, 0)
        self.assertIn("faster: syscall/null_mach", said)

    def test_no_commit_before(self):
        status, said = self.run_here({"side_effect": builds.BuildError("no revision")})
        self.assertEqual((status, said.splitlines()[-1][:18]), (2, "gate: inconclusive"))

    def test_a_real_revision(self):
        if not os.environ.get("TEST_LONG"):
            self.skipTest("builds another tree: x test --long")
        run = self.gate("--base", "HEAD")
        self.assertIn("Measuring HEAD here instead", run.stdout, run.stderr)
        self.assertIn(run.returncode, (0, 1))
        self.assertIn("gate: ", run.stdout.splitlines()[-1])


class Wrong(Base):
    def refused(self, status, words, *arguments):
        run = self.gate(*arguments)
        self.assertEqual((run.returncode, len(run.stderr.splitlines())), (status, 1), run.stderr)
        self.assertIn(words, run.stderr)

    def test_no_baseline(self):
        self.refused(64, "x gate --accept REASON makes one")

    def test_options(self):
        self.refused(64, "needs a reason", "--accept", " ")
        self.refused(64, "goes with --accept", "--tolerance", "syscall/null_unix=1")
        self.refused(64, "give ROW=PERCENT", "--accept", "why", "--tolerance", "syscall/null_unix")
        self.refused(64, "regular expression", "--filter", "(")

    def test_another_variant(self):
        self.assertEqual(self.gate("--accept", "start").returncode, 0)
        self.change(variant="debug")
        run = self.gate()
        self.assertEqual(run.returncode, 64)
        self.assertIn("this is a release build, the accepted counts are of debug", run.stderr)

    def test_broken_baseline(self):
        for text in ("", "{", "[]", '{"format": 7, "rows": {}}', '{"format": 1, "rows": {}}'):
            with open(self.baseline, "w", encoding="utf-8") as out:
                out.write(text)
            self.refused(1, "not a baseline")

    def test_no_build(self):
        results.write(self.baseline, {"format": 1, "rows": {}, "history": [], "compiler": "", "qemu_version": "", "variant": ""})
        self.refused(1, "not a build folder", "--build", self.folder)


class Baseline(Base):
    def load(self):
        path = os.path.join(self.folder, "pluot-count-cpus1.json")
        results.write(path, made_up.count_document())
        return [results.load(path)]

    def test_another_compiler_is_named(self):
        loaded = self.load()
        baseline.accept(None, loaded, "start", path=self.baseline)
        doc = baseline.load(self.baseline)
        self.assertEqual(baseline.foreign(doc, loaded[0].context), "")
        self.assertEqual(baseline.foreign(doc, {**loaded[0].context, "compiler": "clang 20"}),
                         "compiler is clang 20, the baseline's clang 19")

    def test_a_filter_asks_only_for_its_rows(self):
        doc = {"rows": {"a/b on 1 CPU": 1, "a/c on 1 CPU": 2, "scale/d/threads:2 on 2 CPUs": 3}}
        asked = {v.name for v in baseline.judge(doc, [], {"a/b", "scale/d"})}
        self.assertEqual(asked, {"a/b on 1 CPU", "scale/d/threads:2 on 2 CPUs"})
        self.assertEqual(len(baseline.judge(doc, [])), 3)

    def test_the_tree_has_one(self):
        doc = baseline.load()
        self.assertTrue(doc["history"] and all(entry["reason"] for entry in doc["history"]))
        self.assertTrue(all(entry["reason"] and key in doc["rows"] for key, entry in doc.get("tolerances", {}).items()))
        self.assertTrue(verdicts.counts(doc["rows"], doc["rows"]))


if __name__ == "__main__":
    unittest.main()
