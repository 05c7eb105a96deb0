"""Tests of the KTAP reader."""
import unittest

from x import ktap


def read(text):
    reader = ktap.Reader()
    for line in text.splitlines():
        reader.line(line)
    return [(case.name, case.outcome) for case in reader.finish()]


class Flat(unittest.TestCase):
    def test_results(self):
        self.assertEqual(read("KTAP version 1\n1..3\nok 1 a\nnot ok 2 b\nok 3 c # SKIP no PMU\n"),
                         [("a", "passed"), ("b", "failed"), ("c", "skipped")])

    def test_dash_and_noise(self):
        self.assertEqual(read("boot: hello\nKTAP version 1\n1..1\n# told\nok 1 - a\nbye\n"), [("a", "passed")])

    def test_cut_short(self):
        self.assertEqual(read("KTAP version 1\n1..2\nok 1 a\n"), [("a", "passed"), ("plan", "failed")])

    def test_detail_is_what_was_said_before(self):
        reader = ktap.Reader()
        for line in ("KTAP version 1", "1..2", "ok 1 a", "# expected 3, got 4", "not ok 2 b"):
            reader.line(line)
        self.assertEqual(reader.finish()[1].detail, "# expected 3, got 4")

    def test_nothing(self):
        self.assertEqual(read("panic: no init\n"), [])


class Nested(unittest.TestCase):
    def test_leaves_count(self):
        text = """KTAP version 1
1..2
  KTAP version 1
  1..2
  ok 1 x
  ok 2 y
ok 1 suite
  KTAP version 1
  1..1
  not ok 1 z
not ok 2 other
"""
        self.assertEqual(read(text), [("suite/x", "passed"), ("suite/y", "passed"), ("other/z", "failed")])

    def test_parent_that_fails_alone(self):
        self.assertEqual(read("1..1\n  1..1\n  ok 1 x\nnot ok 1 suite\n"),
                         [("suite/x", "passed"), ("suite", "failed")])

    def test_child_plan_broken(self):
        self.assertEqual(read("1..1\n  1..2\n  ok 1 x\nok 1 suite\n"),
                         [("suite/x", "passed"), ("suite/plan", "failed")])

    def test_cut_short_inside(self):
        self.assertEqual(read("1..1\n  1..2\n  ok 1 x\n"),
                         [("x", "passed"), ("plan", "failed"), ("plan", "failed")])


if __name__ == "__main__":
    unittest.main()
