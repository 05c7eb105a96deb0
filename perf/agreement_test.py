"""The check of Linux's rows against recorded ones, on figures that agree, differ, are missing, or of another kernel."""

import unittest

from perf import agreement, machine, made_up, results, suite


class Agreement(unittest.TestCase):
    def results(self, change=None, kernel="Linux 6.1.192-2", leave_out=()):
        told, made = agreement.recorded(), []
        for guest, line in (("linux", "lean"), ("linuxdefault", "default")):
            figures = {n: row[line] for n, row in told["rows"].items() if n not in leave_out}
            figures.update((name, figures[name] * factor) for name, factor in (change or {}).items())
            lines = [f"{made_up.wire(n)} 10 {v} instructions/op" for n, v in figures.items()]
            doc = made_up.document("count", told["cpus"], lines, guest=guest, variant=line, kernel_commit=kernel)
            made.append(results.checked(f"{guest}-count-cpus{told['cpus']}.json", doc))
        return made

    def test_the_same_figures_agree(self):
        self.assertEqual(agreement.status(self.results()), 0)

    def test_one_that_differs(self):
        loaded = self.results({"syscall/null_unix": 1.04})
        self.assertEqual(agreement.status(loaded), 1)
        self.assertIn("DIFFERS", "\n".join(agreement.render(loaded)))
        self.assertEqual(agreement.status(self.results({"syscall/null_unix": 1.029})), 0)

    def test_a_known_reason_has_its_limit(self):
        self.assertEqual(agreement.status(self.results({"vm/protect_pair": 0.95})), 0)
        self.assertEqual(agreement.status(self.results({"vm/protect_pair": 0.90})), 1)

    def test_one_that_was_not_measured(self):
        loaded = self.results(leave_out=("file/stat",))
        self.assertEqual(agreement.status(loaded), 1)
        self.assertIn("not measured: file/stat (lean)", "\n".join(agreement.render(loaded)))

    def test_another_kernel_is_inconclusive(self):
        loaded = self.results({"syscall/null_unix": 2}, kernel="Linux 6.12.1-1")
        self.assertEqual(agreement.status(loaded), 2)
        self.assertIn("inconclusive: the figures are of Linux 6.1.192", agreement.render(loaded)[-1])

    def test_least_batch_and_median_enclose(self):
        check = agreement.Check("a/b", "linux", 90, 110, 100, 3, 0, "")
        self.assertEqual((check.percent, check.word), (0, "agrees"))

    def test_every_recorded_row_is_a_benchmark_of_linux(self):
        names = {row.name for row in suite.rows(machine.ROOT, "linux")}
        self.assertEqual(set(agreement.recorded()["rows"]) - names, set())


if __name__ == "__main__":
    unittest.main()
