"""Results over time: what is kept, where changes are seen and where none are, and what x history shows of it."""

import json
import os
import random
import subprocess
import tempfile
import unittest

from perf import history, history_changes, history_kept, made_up, plots_gnuplot, results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def points(values, tools="a"):
    return [history_changes.Point(f"d{i}", f"c{i}", v, tools[i % len(tools)])
            for i, v in enumerate(values)]


def places(values, mode, tools="a"):
    return [(c.index, c.word) for c in history_changes.changes(points(values, tools), mode)]


class Exact(unittest.TestCase):
    def test_every_difference_is_a_change(self):
        self.assertEqual(places([80, 80, 75, 75, 90], "count"), [(2, "faster"), (4, "slower")])

    def test_less_than_an_instruction_is_none(self):
        self.assertEqual(places([3881.9, 3882.3, 3881.9], "count"), [])

    def test_another_compiler_is_not_the_kernel(self):
        self.assertEqual(places([80, 80, 70, 70], "count", "aabb"), [(2, history_changes.TOOLS)])


class Statistical(unittest.TestCase):
    def noisy(self, *parts, seed=1):
        made = random.Random(seed)
        return [made.gauss(level, level * 0.02) for level, runs in parts for _ in range(runs)]

    def test_a_shift_is_found_where_it_is(self):
        found = history_changes.changes(points(self.noisy((1000, 8), (1150, 8))), "time")
        self.assertEqual([(c.index, c.word) for c in found], [(8, "slower")])
        self.assertLess(found[0].p, history_changes.ALPHA)
        self.assertAlmostEqual(found[0].share, 0.15, delta=0.03)

    def test_two_shifts(self):
        self.assertEqual(places(self.noisy((1000, 14), (1300, 14), (900, 14)), "time"), [(14, "slower"), (28, "faster")])

    def test_noise_is_not_a_change(self):
        alarms = sum(bool(places(self.noisy((1000, 20), seed=seed), "time")) for seed in range(200))
        self.assertLessEqual(alarms, 4)

    def test_an_outlier_is_not_a_change(self):
        self.assertEqual(places(self.noisy((1000, 8), (5000, 1), (1000, 8)), "time"), [])

    def test_too_few_runs_say_nothing(self):
        self.assertEqual(places([1000, 1000, 1000, 2000, 2000], "time"), [])

    def test_pettitt(self):
        # worked by hand: 1 2 3 | 11 12 13: each of three ranks below each of three, K = 9
        place, p = history_changes.pettitt([1, 2, 3, 11, 12, 13])
        self.assertEqual(place, 3)
        self.assertAlmostEqual(p, min(1, 2 * 2.718281828 ** (-6 * 81 / (216 + 36))), places=6)


class Kept(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def keep(self, day, null=80, **more):
        """One run of one row, kept."""
        context = {"date": f"2026-01-{day:02}T10:00:00+00:00", "kernel_commit": f"{day:012x}", **more}
        doc = made_up.document("count", 1, [f"BenchmarkSyscall/null_mach 1 {null} instructions/op"], **context)
        path = os.path.join(self.folder, "now", "pluot-count-cpus1.json")
        results.write(path, doc)
        history_kept.keep([path], os.path.join(self.folder, "kept"))
        return results.load(path)

    def run_x(self, *words):
        command = [os.path.join(ROOT, "x"), "history", "--out", os.path.join(self.folder, "report"), *words]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"})

    def test_a_folder_each_run_by_date_and_revision(self):
        self.keep(1)
        self.keep(2)
        self.assertEqual(sorted(os.listdir(os.path.join(self.folder, "kept"))),
                         ["20260101T100000Z-000000000001", "20260102T100000Z-000000000002"])

    def test_the_run_before_is_one_of_the_same_machine(self):
        self.keep(1, 70)
        self.keep(2, 75)
        self.keep(3, 99, compiler="clang 20")
        now = self.keep(4, 80)
        found = history_kept.previous([now], os.path.join(self.folder, "kept"))
        self.assertEqual(found["count", 1].value("syscall/null_mach"), 75)

    def test_shows_changes_everywhere(self):
        for day, null in enumerate((80, 80, 75, 75), 1):
            self.keep(day, null)
        if not plots_gnuplot.programs():
            self.skipTest("gnuplot-nox or librsvg2-bin is not installed")
        run = self.run_x(os.path.join(self.folder, "kept"))
        self.assertEqual(run.returncode, 0, run.stderr)
        told = "2026-01-03 000000000003: faster -6.2 % (80 -> 75)"
        self.assertRegex(run.stdout, r"syscall/null_mach +4 +80 +75 +-6.2 % +██│▁▁ ")
        for name in ("history.md", "index.html"):
            with open(os.path.join(self.folder, "report", name), encoding="utf-8") as text:
                self.assertIn(told.replace(">", "&gt;" if name.endswith("html") else ">"), text.read())
        with open(os.path.join(self.folder, "report", "history.json"), encoding="utf-8") as text:
            found = json.load(text)["series"][0]
        self.assertEqual([p["value"] for p in found["points"]], [80, 80, 75, 75])
        self.assertEqual((found["changes"][0]["index"], found["changes"][0]["word"]), (2, "faster"))

    def test_only_what_changed(self):
        self.keep(1)
        self.keep(2)
        run = self.run_x("--changed", os.path.join(self.folder, "kept"))
        self.assertEqual((run.returncode, run.stdout), (0, "no change point in 1 row\n"), run.stderr)

    def refused(self, *words):
        run = self.run_x(*words)
        self.assertEqual((run.returncode, len(run.stderr.splitlines())), (64, 1), run.stderr)
        return run.stderr

    def test_wrong_usage(self):
        self.assertIn("no such file", self.refused("/no/such/place"))
        self.assertIn("regular expression", self.refused("--filter", "("))
        cut = os.path.join(self.folder, "pluot-count-cpus1.json")
        with open(cut, "w", encoding="utf-8") as out:
            out.write('{"context": {')
        self.assertIn("cut off", self.refused(cut))

    def test_a_cut_file_among_the_kept_is_told(self):
        self.keep(1)
        cut = os.path.join(self.folder, "kept", "20260102T100000Z-2")
        os.makedirs(cut)
        with open(os.path.join(cut, "pluot-count-cpus1.json"), "w", encoding="utf-8") as out:
            out.write('{"context": {')
        loaded, problems = history_kept.load([os.path.join(self.folder, "kept")])
        self.assertEqual((len(loaded), len(problems)), (1, 1))


class Trend(unittest.TestCase):
    def test_plain_letters_where_there_is_no_unicode(self):
        found = history_changes.series([])
        self.assertEqual(found, [])
        made = history_changes.Series("a/b", ("pluot", "count", 1, "release", ""), points([1, 1, 9]))
        made.changes = history_changes.changes(made.points, "count")
        self.assertEqual(history.trend(made, False), "__|#")


if __name__ == "__main__":
    unittest.main()
