"""The report in a real browser: what it shows, in both colour schemes and on a phone, against the result files.

A cell says which figure it shows (data-key); its visible text is read back into a number and must be that of the file,
and each figure of each file must be shown. Mutations prove that the comparison can fail.
"""

import copy
import glob
import json
import os
import re
import statistics
import tempfile
import unittest

from perf import browser, made_up, plots_gnuplot, reference, report, results

# Everything with a key or a number in a picture, as the reader sees it. Contrast as WCAG 2 defines it.
_COLLECT = """(() => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  const channel = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 && n[3] === 0 ? null : n; };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c) return c; }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255]; };
  const contrast = (e, colour) => { const a = light(parse(colour)), b = light(ground(e));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
  const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 && e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}); };
  const cells = [...document.querySelectorAll('[data-key]')].map(e => ({key: e.dataset.key, text: e.textContent.trim(),
    seen: seen(e)}));
  const figures = {};
  for (const f of document.querySelectorAll('figure'))
    figures[f.id] = [...f.querySelectorAll('svg text')].filter(seen).map(t => t.textContent.trim());
  const faint = [...document.querySelectorAll('body *')].filter(e => seen(e) && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
    .filter(e => contrast(e, e.namespaceURI.endsWith('svg') ? getComputedStyle(e).fill : getComputedStyle(e).color) < 4.5)
    .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40));
  return {cells, figures, faint, width: document.documentElement.scrollWidth};
})()"""

# every figure a little larger in its last digit
_SPOIL = """document.querySelectorAll('[data-key]').forEach(e => {
  e.textContent = e.textContent.trim().replace(/\\d(?=\\D*$)/, d => (Number(d) + 3) % 10); })"""

_SCALE = {"": 1, "ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "/s": 1, "k/s": 1e3, "M/s": 1e6}
_NUMBER = re.compile(r"^([\d,]+(?:\.\d+)?)(?: ?(ns|us|ms|s|/s|k/s|M/s))?$")
_TAIL = ("p90_ns", "p99_ns", "p99.9_ns", "max_ns")


def shown_number(text):
    """(value, half of what its last digit stands for) of a shown figure, or None."""
    match = _NUMBER.match(text)
    if not match:
        return None
    digits, unit = match.groups()
    scale = _SCALE[unit or ""]
    value = float(digits.replace(",", "")) * scale
    # figures with a unit have three digits, of which zeros at the end are not written
    decimals = len(digits.partition(".")[2])
    last = 10.0 ** -decimals if not unit else 10.0 ** -(max(decimals, 3 - len(digits.partition(".")[0])))
    return value, 0.51 * last * scale


def says(text, value):
    told = shown_number(text)
    return told is not None and abs(told[0] - value) <= max(told[1], 1e-9)


def figures_of(doc):
    """{key: value} of everything in a result file that the page has to show."""
    context, rows = doc["context"], {}
    for item in doc["benchmarks"]:
        if item["run_type"] == "iteration":
            rows.setdefault(item["name"], []).append(item)
    found = {}
    for name, items in rows.items():
        counters = ["real_time"]
        if context["guest"] == "pluot" and "/threads:" in name:
            counters = ["items_per_second"]
        elif context["guest"] == "pluot" and context["mode"] == "time":
            counters += [c for c in _TAIL if c in items[0]]
        elif context["mode"] == "model":
            counters += [c for c in results.counters(items[0]) if not c.startswith("instructions")]
        for counter in counters:
            key = f"{context['guest']} {context['mode']} {context['cpus']} {name} {counter}"
            found[key] = statistics.median(i[counter] for i in items)
    return found


def complaints(shown, docs):
    """What the page shows otherwise than the files have it, one line each."""
    wanted = {key: value for doc in docs for key, value in figures_of(doc).items()}
    cells = {}
    for cell in shown["cells"]:
        cells.setdefault(cell["key"], []).append(cell)
    for key in wanted.keys() - cells.keys():
        yield f"{key}: not on the page"
    for key in cells.keys() - wanted.keys():
        yield f"{key}: in no file"
    for key in wanted.keys() & cells.keys():
        for cell in cells[key]:
            if not cell["seen"]:
                yield f"{key}: not to be seen"
            if not says(cell["text"], wanted[key]):
                yield f"{key}: shows {cell['text']!r}, the file has {wanted[key]}"
    yield from _picture_complaints(shown, docs)


def _picture_complaints(shown, docs):
    """Rows of Pluot stand in their family's picture with their name and number."""
    for doc in docs:
        for key, value in figures_of(doc).items():
            guest, mode, _, name, counter = key.split(" ")
            texts = shown["figures"].get(f"{guest}-{mode}-{name.split('/')[0]}")
            if guest != "pluot" or counter != "real_time" or texts is None:
                continue
            if not any(t.split(" on ")[0] == name for t in texts):
                yield f"{key}: no row in the picture"
            if not any(says(t, value) for t in texts):
                yield f"{key}: no {value} in the picture"


def _linux(mode, cpus):
    unit = "instructions/op" if mode == "count" else "ns/op"
    lines = [f"{made_up.wire(n)} 10 {v * 3 + 0.25} {unit}" for n, v in made_up.COUNTS.items() if n.startswith(("sys", "vm"))]
    lines.append(f"BenchmarkIpc/linux_pipe/64 10 9876 {unit}")
    return made_up.document(mode, cpus, lines, guest="linux", variant="lean")


def _documents():
    walks = [f"BenchmarkVm/asid_reuse/{n} 200 {300 + n}.25 instructions/op {n / 8} walks 6.5 walks_without_asids 80.02 loads"
             for n in (2, 8)]
    return {
        "pluot-model-cpus1.json": made_up.document("model", 1, walks),
        "pluot-count-cpus1.json": made_up.count_document(),
        "pluot-count-cpus2.json": made_up.document("count", 2, ["BenchmarkIpc/rpc_cross_cpu/0 10 3881.92 instructions/op"]),
        "pluot-time-cpus2.json": made_up.time_document(),
        "pluot-time-cpus4.json": made_up.time_document(4),
        "linux-count-cpus1.json": _linux("count", 1),
        "linux-time-cpus2.json": _linux("time", 2),
    }


@unittest.skipUnless(browser.program(), "chromium is not installed")
@unittest.skipUnless(plots_gnuplot.programs(), "gnuplot-nox or librsvg2-bin is not installed")
class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        for name, doc in _documents().items():
            results.write(os.path.join(folder, name), doc)
        cls.path = report.write(folder, results.load_folder(folder), reference.load())
        cls.docs = []
        for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
            with open(path, encoding="utf-8") as source:
                cls.docs.append(json.load(source))
        cls.page = cls.enterClassContext(browser.page())

    def look(self, width, scheme):
        self.page.complaints.clear()
        self.page.look(width, 900, scheme)
        self.page.open(self.path)
        return self.page.evaluate(_COLLECT)

    def test_shows_what_the_files_have(self):
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                with self.subTest(width=width, scheme=scheme):
                    shown = self.look(width, scheme)
                    self.assertEqual(self.page.complaints, [])
                    self.assertEqual(sorted(complaints(shown, self.docs)), [])
                    self.assertEqual(shown["faint"], [])
                    self.assertLessEqual(shown["width"], width)

    def test_a_changed_page_is_found(self):
        before = self.look(1280, "light")
        self.page.evaluate(_SPOIL)
        found = list(complaints(self.page.evaluate(_COLLECT), self.docs))
        self.assertEqual(sum("shows" in line for line in found), len(before["cells"]))

    def test_a_changed_file_is_found(self):
        shown = self.look(1280, "dark")
        for number, doc in enumerate(self.docs):
            for place, item in enumerate(doc["benchmarks"]):
                changed = copy.deepcopy(self.docs)
                for counter in [c for c in ("real_time", "items_per_second") if c in item]:
                    changed[number]["benchmarks"][place][counter] *= 1.1
                self.assertTrue(any(item["name"] in line for line in complaints(shown, changed)), item["name"])

    def test_a_row_that_is_missing_is_found(self):
        shown = self.look(1280, "light")
        shown["cells"] = [c for c in shown["cells"] if " ipc/rpc_inline/64 " not in c["key"]]
        self.assertIn("pluot count 1 ipc/rpc_inline/64 real_time: not on the page", complaints(shown, self.docs))

    def test_faint_text_and_console_errors_are_found(self):
        self.look(1280, "dark")
        self.page.evaluate("document.querySelector('h1').style.color = '#333', console.error('broken'), fetch('file:///none').catch(e => 0)")
        self.assertEqual([f[:2] for f in self.page.evaluate(_COLLECT)["faint"]], ["H1"])
        self.assertIn("broken", self.page.complaints)

    def test_prints(self):
        with tempfile.NamedTemporaryFile(suffix=".pdf") as paper:
            self.page.pdf(paper.name)
            self.assertEqual(paper.read(5), b"%PDF-")


if __name__ == "__main__":
    unittest.main()
