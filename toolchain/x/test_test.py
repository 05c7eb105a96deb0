"""Tests of the test runner: nothing that went wrong may count as passed."""
import unittest

from x import ktap, test

GOOD = "KTAP version 1\n1..2\nok 1 a\nok 2 b\n"


def ran(script, limit_s=10.0, **more):
    """The suite of a shell script, run."""
    return test.run(test.Suite("host/suite", ["/bin/sh", "-c", script], limit_s, **more))


def outcomes(suite):
    return {case.name: case.outcome for case in suite.cases}


class Runs(unittest.TestCase):
    def test_results_are_taken(self):
        self.assertEqual(outcomes(ran(f"printf '{GOOD}'")), {"a": ktap.PASSED, "b": ktap.PASSED})

    def test_a_program_without_results_passes_by_its_status(self):
        self.assertEqual(outcomes(ran("echo fine")), {"whole": ktap.PASSED})
        self.assertEqual(outcomes(ran("echo bad; exit 1")), {"whole": ktap.FAILED})

    def test_a_bad_status_fails_whatever_the_results_say(self):
        self.assertEqual(outcomes(ran(f"printf '{GOOD}'; exit 3"))["whole"], ktap.FAILED)

    def test_a_death_by_signal_fails(self):
        self.assertEqual(outcomes(ran(f"printf '{GOOD}'; kill -9 $$"))["whole"], ktap.FAILED)

    def test_a_broken_plan_fails(self):
        self.assertEqual(outcomes(ran("printf '1..2\\nok 1 a\\n'"))["plan"], ktap.FAILED)

    def test_a_hang_fails_and_keeps_what_was_said(self):
        suite = ran("printf '1..1\\nok 1 a\\n'; exec sleep 60", limit_s=0.5)
        self.assertEqual(outcomes(suite), {"a": ktap.PASSED, "whole": ktap.FAILED})
        self.assertIn("no end after 0.5 s", suite.failed[0].detail)

    def test_a_filter_is_for_cases(self):
        self.assertEqual(list(outcomes(ran(f"printf '{GOOD}'", filter="/b$"))), ["b"])

    def test_a_skipped_test_has_not_passed(self):
        suite = ran("printf '1..3\\nok 1 a\\nok 2 b # SKIP one CPU\\nnot ok 3 c\\n'")
        self.assertEqual(test._counts(suite), "1 passed, 1 skipped, 1 FAILED")

    def test_the_end_tells_a_panic_by_its_first_lines(self):
        said = ["noise"] * 20 + ["panic(cpu 3): no reason"] + [f"  frame {n}" for n in range(90)]
        reason = test._reason(ktap.Case("whole", ktap.FAILED, "\n".join(said)))
        self.assertEqual((reason[0], len(reason)), ("panic(cpu 3): no reason", test.PANIC_LINES))
        self.assertEqual(test._reason(ktap.Case("a", ktap.FAILED, "1\n2\n3\n4")), ["2", "3", "4"])


class Words(unittest.TestCase):
    def test_alternatives_become_words(self):
        self.assertEqual(test._guest_words("vm|ipc_port", "guest/debug/cpus2"), "vm,ipc_port")

    def test_a_filter_for_the_suite_or_beyond_words_runs_all(self):
        self.assertEqual(test._guest_words("cpus2", "guest/debug/cpus2"), "")
        self.assertEqual(test._guest_words("^vm.*", "guest/debug/cpus2"), "")


if __name__ == "__main__":
    unittest.main()
