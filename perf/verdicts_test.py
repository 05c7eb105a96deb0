"""Statistics of two samples, and the words that follow from them."""

import importlib.util
import random
import unittest

from perf import stats, verdicts


class MannWhitney(unittest.TestCase):
    def test_known_values(self):
        # all of one side above the other: 2 of C(8, 4) = 70 orders are as extreme
        self.assertAlmostEqual(stats.mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]), 2 / 70)
        self.assertAlmostEqual(stats.mann_whitney([1, 3, 5], [2, 4, 6]), 0.7)
        self.assertEqual(stats.mann_whitney([5, 5, 5], [5, 5, 5]), 1.0)

    def test_counts_of_orders(self):
        self.assertEqual(sum(stats._u_counts(5, 7)), 792)
        self.assertEqual(stats._u_counts(2, 2), [1, 1, 2, 1, 1])

    def test_against_scipy(self):
        if importlib.util.find_spec("scipy") is None:
            self.skipTest("python3-scipy is not installed")
        from scipy.stats import mannwhitneyu

        rng = random.Random(1)
        for n in (4, 9, 30):
            for ties in (False, True):
                draw = (lambda: rng.randrange(8)) if ties else rng.random
                first, second = [draw() for _ in range(n)], [draw() for _ in range(n + 1)]
                method = "asymptotic" if ties or n > 20 else "exact"
                wanted = mannwhitneyu(first, second, alternative="two-sided", method=method).pvalue
                self.assertAlmostEqual(stats.mann_whitney(first, second), wanted, places=9)

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
        self.assertEqual(self.word(47889, 47940), verdicts.SAME)
        self.assertEqual(self.word(47889, 48100), verdicts.SLOWER)
        self.assertEqual(self.word(None, 5), verdicts.NEW)
        self.assertEqual(self.word(5, None), verdicts.MISSING)

    def test_status(self):
        def of(old, new):
            return verdicts.status(verdicts.counts(old, new))

        self.assertEqual(of({"a": 5}, {"a": 5, "b": 1}), 0)
        self.assertEqual(of({"a": 50}, {"a": 52}), 1)
        self.assertEqual(of({"a": 5, "b": 1}, {"a": 5}), 1)
        self.assertEqual(verdicts.status([verdicts.Verdict("a", verdicts.INCONCLUSIVE)]), 2)


if __name__ == "__main__":
    unittest.main()
