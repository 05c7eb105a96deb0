"""Tables, pictures and the page, from made-up result files."""

import html.parser
import importlib.util
import json
import os
import re
import tempfile
import unittest

from perf import made_up, plots_gnuplot, reference, report, report_rows, report_summary, results, stats, table


class _Checker(html.parser.HTMLParser):
    """Balanced tags, no script, nothing fetched from elsewhere."""

    VOID = {"meta", "br", "img", "link"}

    def __init__(self):
        super().__init__()
        self.stack, self.faults, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag == "script":
            self.faults.append(tag)
        self.links += [v for k, v in attrs if k in ("href", "src") and not v.startswith(("#", "data:"))]
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.faults.append("/" + tag)


class Base(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.ref = reference.load()

    def load(self, name, doc):
        path = os.path.join(self.folder.name, name)
        results.write(path, doc)
        return results.load(path)


class Table(Base):
    def test_count_rows_stand_beside_target_and_anchors(self):
        text = "\n".join(table.render(self.load("pluot-count-cpus1.json", made_up.count_document()), self.ref))
        self.assertRegex(text, r"ipc/rpc_inline/0 +700 +680 +560 +424 +8,910 +12\.73x +1\.03x goal")
        self.assertRegex(text, r"syscall/null_mach +80 +90 +65 +98 +- +goal met")
        self.assertRegex(text, r"syscall/commpage_time +14 +18 +15 +- +56 +4\.00x +stretch met")
        self.assertRegex(text, r"kernel/zone_alloc_free +35 +- +- +- +-")

    def test_incomplete_skipped_and_failed_are_said(self):
        doc = made_up.count_document(
            complete="false", incomplete_reason="the kernel panicked in a/b", skipped=[{"name": "c/d", "reason": "no PMU"}],
            failed=[{"name": "e/f", "reason": "3 of 4"}])
        text = "\n".join(table.render(self.load("pluot-count-cpus1.json", doc), self.ref))
        for words in ("INCOMPLETE: the kernel panicked in a/b", "skipped: c/d: no PMU", "failed: e/f: 3 of 4"):
            self.assertIn(words, text)

    def test_more_workers_than_the_host_has(self):
        text = "\n".join(table.render(self.load("pluot-time-cpus4.json", made_up.time_document(4)), self.ref))
        self.assertIn("more workers than the 2 host CPUs", text)

    def test_a_busy_host_is_said(self):
        busy = self.load("pluot-time-cpus2.json", made_up.time_document(load_avg=[9.5, 9, 9]))
        self.assertIn("the host was busy (load 9.5 on 2 CPUs)", "\n".join(table.render(busy, self.ref)))
        idle = self.load("pluot-time-cpus2.json", made_up.time_document(load_avg=[2.1, 2, 2]))
        self.assertNotIn("busy", "\n".join(table.render(idle, self.ref)))

    def test_numbers(self):
        self.assertEqual(table.number(14.25), "14.2")
        self.assertEqual(table.number(903000000), "903,000,000")
        self.assertEqual(table.nanoseconds(1482), "1.48 us")
        self.assertEqual(table.nanoseconds(None), "-")
        self.assertEqual(table.rate(456000), "456 k/s")


class Page(Base):
    """The page as text; report_browser_test.py looks at it in a browser."""

    def setUp(self):
        super().setUp()
        for path, package in ((plots_gnuplot.programs(), "gnuplot-nox or librsvg2-bin"), (importlib.util.find_spec("jinja2"), "python3-jinja2")):
            if not path:
                self.skipTest(f"{package} is not installed")
        self.load("pluot-count-cpus1.json", made_up.count_document())
        self.load("pluot-time-cpus2.json", made_up.time_document())
        self.path = report.write(self.folder.name, results.load_folder(self.folder.name), self.ref)
        with open(self.path, encoding="utf-8") as page:
            self.text = page.read()

    def test_page_is_whole_and_needs_nothing_else(self):
        checker = _Checker()
        checker.feed(self.text)
        self.assertEqual((checker.faults, checker.stack), ([], []))
        for link in checker.links:
            self.assertTrue(os.path.exists(os.path.join(os.path.dirname(self.path), link)), link)

    def test_every_row_has_its_command(self):
        for name in made_up.COUNTS:
            self.assertIn(f"./x bench --mode count --cpus 1 --filter &#39;^{name}$&#39;", self.text)

    def test_pictures_are_svg_and_png_with_units_and_direction(self):
        names = os.listdir(os.path.dirname(self.path))
        stems = {n[:-4] for n in names if n.endswith(".svg")}
        self.assertEqual(stems, {n[:-4] for n in names if n.endswith(".png")})
        for wanted in ("pluot-count-ipc", "pluot-count-ipc-by-size", "pluot-time-ipc-distribution", "pluot-time-scaling",
                       "pluot-count-ratios"):
            self.assertIn(wanted, stems)
        for stem in stems:
            with open(os.path.join(os.path.dirname(self.path), stem + ".svg"), encoding="utf-8") as picture:
                self.assertTrue(re.search(r"(further left|further right|lower|higher) is better", picture.read()), stem)


class Extras(Base):
    """What else lies in the folder."""

    def page(self):
        if not plots_gnuplot.programs():
            self.skipTest("gnuplot-nox or librsvg2-bin is not installed")
        out = os.path.join(self.folder.name, "bench")
        results.write(os.path.join(out, "pluot-count-cpus1.json"), made_up.count_document())
        path = report.write(out, results.load_folder(out), self.ref)
        with open(path, encoding="utf-8") as page:
            return page.read()

    def write(self, path, text):
        path = os.path.join(self.folder.name, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def test_profiles_beside_it_are_linked(self):
        self.write("profile/ipc-rpc_inline-64/exact.svg", "<svg/>")
        self.assertIn('<a href="../../profile/ipc-rpc_inline-64/exact.svg">exact.svg</a>', self.page())

    def test_sharing_matrix(self):
        self.write("bench/sharing.json", json.dumps({
            "cpus": 2, "rows": ["syscall/null_unix", "ipc/rpc_inline/0"], "matrix": [[0, 3], [3, None]],
            "lines": {"ipc/rpc_inline/0": [{"what": "<ports>+0x40", "kind": "true", "by": "f (f.c:1)"}]}}))
        text = self.page()
        self.assertIn('<section id="sharing">', text)
        self.assertIn("&lt;ports&gt;+0x40", text)

    def test_a_broken_matrix_is_left_out(self):
        self.write("bench/sharing.json", json.dumps({"rows": ["a"], "matrix": []}))
        self.assertNotIn('id="sharing"', self.page())


class Summary(Base):
    """What the page says first."""

    def baseline(self, **rows):
        path = os.path.join(self.folder.name, "counts.json")
        doc = {"format": 1, "compiler": "clang 19", "qemu_version": "7.2.22", "variant": "release", "rows": rows, "history": []}
        results.write(path, doc)
        return path

    def findings(self, path, previous=None):
        entries = report_rows.entries([self.load("pluot-count-cpus1.json", made_up.count_document())], "pluot")
        made = report_summary.findings(entries, self.ref, previous or {}, path)
        return {finding.title: finding for finding in made}

    def test_slower_than_the_baseline(self):
        path = self.baseline(**{"syscall/null_mach on 1 CPU": 70.0, "ipc/rpc_inline/0 on 1 CPU": 800.0})
        found = self.findings(path)["Instructions since the accepted baseline"]
        self.assertEqual((found.tone, found.head), ("bad", "1 row slower."))
        self.assertEqual([row[0].text for row in found.rows.rows], ["syscall/null_mach", "ipc/rpc_inline/0"])
        self.assertEqual(found.rows.rows[0][3].text, "slower +14.3 %")

    def test_another_compiler_is_not_judged(self):
        path = self.baseline()
        with open(path, encoding="utf-8") as source:
            text = source.read()
        with open(path, "w", encoding="utf-8") as out:
            out.write(text.replace("clang 19", "clang 20"))
        found = self.findings(path)["Instructions since the accepted baseline"]
        self.assertEqual((found.tone, found.head), ("plain", "Not comparable."))
        self.assertIn("clang 20", found.notes[0])

    def test_slower_than_the_run_before(self):
        doc = made_up.document("count", 1, ["BenchmarkSyscall/null_mach 1 60 instructions/op"], date="2025-12-31T00:00:00+00:00")
        os.mkdir(os.path.join(self.folder.name, "old"))
        old = self.load("old/pluot-count-cpus1.json", doc)
        found = self.findings(self.baseline(), {("count", 1): old})
        title = next(title for title in found if title.startswith("Since the run before"))
        self.assertEqual(found[title].head, "1 row slower.")

    def test_targets_that_are_missed_are_named(self):
        found = self.findings(self.baseline())["Targets"]
        self.assertEqual([row[0].text for row in found.rows.rows],
                         ["ipc/port_lifecycle", "syscall/null_unix", "ipc/rpc_inline/0", "ipc/rpc_inline/64"])

    def test_a_boot_that_measured_nothing(self):
        self.load("pluot-count-cpus1.json", made_up.document("count", 1, [], complete="false", incomplete_reason="panic"))
        path = report.write(self.folder.name, results.load_folder(self.folder.name), self.ref)
        with open(path, encoding="utf-8") as page:
            self.assertIn("<b>Incomplete: pluot, count mode, 1 CPU</b>: panic", page.read())

    def test_linux_by_how_much(self):
        found = self.findings(self.baseline())["Against Linux"]
        self.assertRegex(found.head, r"^\d+ of \d+ rows take fewer instructions here; geometric mean \d+\.\d\dx\.$")


class References(unittest.TestCase):
    def test_every_anchor_row_has_a_target_or_is_a_benchmark(self):
        ref = reference.load()
        extra = {"ipc/rpc_inline/4096"}
        for anchor in ref.anchors:
            self.assertEqual(set(anchor.rows) - set(ref.targets) - extra, set())
            for key in ("kernel", "commit", "flags"):
                self.assertTrue(anchor.source[key])

    def test_targets_are_ordered(self):
        for target in reference.load().targets.values():
            self.assertLess(target.stretch, target.goal, target.name)


class Measured(Base):
    def test_linux_beside_pluot_takes_the_anchors_place(self):
        lines = ["BenchmarkSyscall/null_unix 1 300 instructions/op", "BenchmarkIpc/linux_pipe/64 1 9000 instructions/op",
                 "BenchmarkIpc/linux_futex/64 1 8000 instructions/op"]
        linux = self.load("linux-count-cpus1.json", made_up.document("count", 1, lines, guest="linux", variant="lean"))
        pluot = self.load("pluot-count-cpus1.json", made_up.count_document())
        anchor = next(a for a in reference.measured(self.ref, [linux, pluot]).anchors if a.id == "linux")
        self.assertEqual(anchor.value("syscall/null_unix", "count"), 300)
        self.assertEqual((anchor.value("ipc/rpc_inline/64", "count"), anchor.operation("ipc/rpc_inline/64")),
                         (8000, "ipc/linux_futex/64"))
        self.assertIsNone(anchor.value("vm/fault_zero_fill", "count"))
        self.assertIs(reference.measured(self.ref, [pluot]), self.ref)

    def test_measured_twice_is_measured_once(self):
        lines = ["BenchmarkSyscall/null_unix 1 300 instructions/op"]
        loaded = [self.load(f"{guest}-count-cpus1.json", made_up.document("count", 1, lines, guest=guest, variant="v"))
                  for guest in ("linux", "linuxdefault")]
        once = reference.measured(self.ref, loaded)
        self.assertEqual([a.id for a in once.anchors], ["sel4", "linux", "linuxdefault"])
        self.assertEqual(once.anchors, reference.measured(once, loaded).anchors)


class Stats(unittest.TestCase):
    def test_quantiles(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.quantile([0, 10], 0.9), 9)
        self.assertEqual(stats.stddev([5]), 0)

    def test_differing(self):
        self.assertEqual(stats.differing({"a": [1, 1, 1], "b": [1, 2]}), {"b": (1, 2)})


if __name__ == "__main__":
    unittest.main()
