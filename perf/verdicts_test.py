"""Statistics of two samples, and the words that follow from them."""

import random
import unittest

from perf import stats, verdicts


class Statistics(unittest.TestCase):
    def test_known_values(self):
        # all of one side above the other: 2 of C(8, 4) = 70 orders are as extreme
        self.assertAlmostEqual(stats.mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]), 2 / 70)
        self.assertAlmostEqual(stats.least_p(4, 4), 2 / 70)
        self.assertAlmostEqual(stats.mann_whitney([1, 3, 5], [2, 4, 6]), 0.7)
        self.assertEqual(stats.mann_whitney([5, 5, 5], [5, 5, 5]), 1.0)

    def test_usual_change(self):
        self.assertEqual(stats.usual_change([]), 0)
        self.assertEqual(stats.usual_change([100, 150, 100]), 0)
        quiet = [100, 101, 100, 101, 100, 101, 100, 101]
        self.assertAlmostEqual(stats.usual_change(quiet), 0.01, delta=0.002)
        # one real change in a quiet history is no noise
        self.assertLess(stats.usual_change(quiet + [130, 131, 130, 131]), 0.05)

    def test_holm(self):
        self.assertEqual(stats.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
        self.assertEqual(stats.holm([]), [])


def boots(centre, noise, seed, count=10):
    rng = random.Random(seed)
    return [centre * (1 + noise * rng.uniform(-1, 1)) for _ in range(count)]


class Times(unittest.TestCase):
    def word(self, old, new):
        return verdicts.times({"a": old}, {"a": new})[0].word

    def test_words(self):
        self.assertEqual(self.word(boots(100, 0.01, 1), boots(110, 0.01, 2)), verdicts.SLOWER)
        self.assertEqual(self.word(boots(100, 0.01, 1), boots(90, 0.01, 2)), verdicts.FASTER)
        self.assertEqual(self.word(boots(100, 0.01, 1), boots(102, 0.01, 2)), verdicts.SAME)
        self.assertEqual(self.word([100, 101, 102], [120, 121, 122]), verdicts.INCONCLUSIVE)
        self.assertEqual(self.word(boots(100, 0.3, 1), boots(118, 0.01, 2, 20)), verdicts.INCONCLUSIVE)

    def test_noise_that_hides_everything_is_not_no_change(self):
        found = verdicts.times({"a": boots(100, 0.9, 1)}, {"a": boots(101, 0.9, 2)})[0]
        self.assertEqual(found.word, verdicts.INCONCLUSIVE)
        self.assertIn("hides", found.why)

    def test_many_rows_need_more_boots(self):
        def rows(shift, count):
            return {f"row{i}": [value + shift for value in (100, 101, 102, 103)] for i in range(count)}

        self.assertEqual(verdicts.times(rows(0, 1), rows(20, 1))[0].word, verdicts.SLOWER)
        self.assertEqual({v.word for v in verdicts.times(rows(0, 9), rows(20, 9))}, {verdicts.INCONCLUSIVE})

    def test_history_raises_the_floor(self):
        old, new = boots(100, 0.01, 1), boots(108, 0.01, 2)
        restless = [100, 112, 99, 111, 100, 113, 98, 110]
        self.assertEqual(verdicts.times({"a": old}, {"a": new}, {"a": restless})[0].word, verdicts.INCONCLUSIVE)
        self.assertEqual(verdicts.times({"a": old}, {"a": new}, {"a": [100, 101] * 5})[0].word, verdicts.SLOWER)

    def test_reruns_do_not_alarm(self):
        alarms = 0
        for seed in range(200):
            old = {f"row{i}": boots(100, 0.05, f"{seed} {i} old") for i in range(10)}
            new = {f"row{i}": boots(100, 0.05, f"{seed} {i} new") for i in range(10)}
            alarms += verdicts.status(verdicts.times(old, new)) == 1
        self.assertLessEqual(alarms, 10)

    def test_a_row_on_one_side_is_listed(self):
        found = {v.name: v.word for v in verdicts.times({"a": [1] * 5, "gone": [1]}, {"a": [1] * 5, "fresh": [1]})}
        self.assertEqual(found, {"a": verdicts.SAME, "gone": verdicts.MISSING, "fresh": verdicts.NEW})


class Counts(unittest.TestCase):
    def word(self, old, new):
        return verdicts.count("a", old, new).word

    def test_words(self):
        self.assertEqual(self.word(63, 63), verdicts.SAME)
        self.assertEqual(self.word(63, 64), verdicts.SLOWER)
        self.assertEqual(self.word(63, 62), verdicts.FASTER)
        self.assertEqual(self.word(63, 63.4), verdicts.SAME)
        self.assertEqual(self.word(227.5, 228), verdicts.SLOWER)
        self.assertEqual(self.word(47889, 47890), verdicts.SLOWER)
        self.assertEqual(verdicts.count("a", 47889, 48000, 0.01).word, verdicts.SAME)
        self.assertEqual(verdicts.count("a", 47889, 49000, 0.01).word, verdicts.SLOWER)
        self.assertEqual(self.word(None, 5), verdicts.NEW)
        self.assertEqual(self.word(5, None), verdicts.MISSING)

    def test_status(self):
        def of(old, new):
            return verdicts.status(verdicts.counts(old, new))

        self.assertEqual(of({"a": 5}, {"a": 5, "b": 1}), 0)
        self.assertEqual(of({"a": 50}, {"a": 52}), 1)
        self.assertEqual(of({"a": 5, "b": 1}, {"a": 5}), 2)
        self.assertEqual(verdicts.status([verdicts.Verdict("a", verdicts.INCONCLUSIVE)]), 2)


if __name__ == "__main__":
    unittest.main()
