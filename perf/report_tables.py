"""The report's tables as data: cells with their text, and the key of the figure that each cell shows.

A key is "GUEST MODE CPUS ROW COUNTER", the place of the figure in the result files; the browser test holds every cell
that has one against the file.
"""

import dataclasses
from dataclasses import dataclass, field

from perf import beside, reference, report_rows, results, table, verdicts

NO = table.DASH


@dataclass(frozen=True)
class Cell:
    """`tone` is good, bad or soft; it repeats in colour what the text says. `hint` is a tooltip."""

    text: str
    key: str = ""
    tone: str = ""
    hint: str = ""
    strong: bool = False
    code: bool = False
    links: tuple = ()


@dataclass
class Table:
    """`notes` stand numbered below the rows."""

    header: list
    rows: list = field(default_factory=list)
    title: str = ""
    notes: list = field(default_factory=list)


def key(result, name, counter="real_time"):
    return f"{result.guest} {result.mode} {result.cpus} {name} {counter}"


def _name(entry):
    return Cell(entry.name, code=True)


def _figure(entry, counter, show):
    value = entry.value if counter == "real_time" else entry.counter(counter)
    if value is None:
        return Cell(NO, tone="soft")
    return Cell(show(value), key(entry.result, entry.name, counter), strong=counter == "real_time")


def _plain(value, show, hint=""):
    return Cell(NO, tone="soft") if value is None else Cell(show(value), hint=hint)


def anchor_value(anchor, entry):
    return anchor.rows.get(entry.name, {}).get(reference.FIGURE.get(entry.mode))


def _anchors(entry, anchors, show):
    return [_plain(anchor_value(a, entry), show, a.operation(entry.name)) for a in anchors]


def _ratio(entry, anchor):
    other = anchor_value(anchor, entry)
    if not other or not entry.value:
        return Cell(NO, tone="soft")
    ratio = other / entry.value
    return Cell(f"{ratio:.2f}x", tone="good" if ratio > 1 else "bad")


def _used(anchors, entries):
    return [a for a in anchors if any(anchor_value(a, e) for e in entries)]


def _sizes(entries):
    """Is the machine's size worth a column?"""
    return len({e.cpus for e in entries}) > 1


_TONES = {verdicts.SLOWER: "bad", verdicts.MISSING: "bad", verdicts.FASTER: "good"}


def verdict_cell(verdict):
    if verdict is None:
        return Cell("", tone="soft")
    text = verdict.word if verdict.change is None else f"{verdict.word} {verdicts.percent(verdict.change)}"
    if verdict.word == verdicts.SAME:
        text = verdict.word
    return Cell(text, tone=_TONES.get(verdict.word, "soft"), hint=verdict.why)


def _goal_cell(entry, target):
    word = reference.verdict(entry.value, target)
    return Cell(word, tone="" if not word else "good" if word.endswith("met") else "bad")


def spoken(anchor):
    """The anchor's name in a sentence; where it was measured stands under Sources."""
    return anchor.label.replace(", here", "")


def _linux(anchors):
    return next((a for a in anchors if a.id == "linux"), None)


def _ratio_header(linux, entries):
    return [f"{spoken(linux)} ÷ {entries[0].result.guest.capitalize()}"] if linux else []


def counts(entries, ref, since):
    """`since`: {(row, cpus): Verdict against the baseline}"""
    others, sizes = _used(ref.anchors, entries), _sizes(entries)
    linux, targeted = _linux(others), any(ref.target(e.name) for e in entries)
    made = Table(["benchmark"] + ["CPUs"] * sizes + ["instructions"] + ["since baseline"] * bool(since)
                 + ["goal", "stretch", "verdict"] * targeted + [a.label for a in others]
                 + _ratio_header(linux, entries))
    for entry in entries:
        target = ref.target(entry.name)
        made.rows.append(
            [_name(entry)] + [Cell(str(entry.cpus))] * sizes + [_figure(entry, "real_time", table.number)]
            + [verdict_cell(since.get((entry.name, entry.cpus)))] * bool(since)
            + ([_plain(target and target.goal, table.number), _plain(target and target.stretch, table.number),
                _goal_cell(entry, target)] if targeted else [])
            + _anchors(entry, others, table.number) + ([_ratio(entry, linux)] if linux else []))
    return made


_TAIL = (("p90_ns", "p90"), ("p99_ns", "p99"), ("p99.9_ns", "p99.9"), ("max_ns", "worst"))


def times(entries, ref):
    others, sizes = _used(ref.anchors, entries), _sizes(entries)
    linux = _linux(others)
    made = Table(["benchmark"] + ["CPUs"] * sizes + ["median"] + [label for _, label in _TAIL]
                 + [a.label for a in others] + _ratio_header(linux, entries))
    for entry in entries:
        made.rows.append(
            [_name(entry)] + [Cell(str(entry.cpus))] * sizes + [_figure(entry, "real_time", table.nanoseconds)]
            + [_figure(entry, counter, table.nanoseconds) for counter, _ in _TAIL]
            + _anchors(entry, others, table.nanoseconds) + ([_ratio(entry, linux)] if linux else []))
    return made


def tails(entries, mode):
    """Quantiles of the rows that have them, in the mode's unit; None where no row has."""
    suffix, show = ("_ns", table.nanoseconds) if mode == "time" else ("_instructions", table.number)
    sizes, made = _sizes(entries), Table(["benchmark"] + ["CPUs"] * _sizes(entries) + ["median"] + [label for _, label in _TAIL])
    for entry in entries:
        if entry.counter(f"p99{suffix}") is not None:
            made.rows.append([_name(entry)] + [Cell(str(entry.cpus))] * sizes + [_figure(entry, "real_time", show)]
                             + [_figure(entry, counter.replace("_ns", suffix), show) for counter, _ in _TAIL])
    return made if made.rows else None


def scaling(entries, ref):
    """Rows with workers: throughput of each number of workers, and how far it is from ideal."""
    curves = {}
    for entry in entries:
        if entry.workers:
            curves.setdefault((entry.workers[0], entry.cpus), {})[entry.workers[1]] = entry
    numbers = sorted({n for curve in curves.values() for n in curve})
    made = Table(["benchmark", "CPUs"] + [f"{n} worker{'s' if n > 1 else ''}" for n in numbers]
                 + ["speed-up", "Linux, 2 workers", "note"])
    for (name, cpus), curve in curves.items():
        speeds = {n: e.counter("items_per_second") for n, e in curve.items()}
        top, host = max(curve), int(curve[min(curve)].result.context.get("host_cpus", "1"))
        speed_up = f"{speeds[top] / speeds[1]:.2f}x" if speeds.get(1) and speeds[top] and top > 1 else NO
        linux = ref.scaling_anchor["rows"].get(name)
        made.rows.append(
            [Cell(name, code=True), Cell(str(cpus))]
            + [_figure(curve[n], "items_per_second", table.rate) if n in curve else Cell(NO, tone="soft") for n in numbers]
            + [Cell(speed_up, strong=True), _plain(linux, lambda v: f"{v:.2f}x"),
               Cell(f"more workers than the {host} host CPUs" if top > host else "", tone="soft")])
    return made


def _counter_label(name):
    return name.removesuffix("_per_op").replace("_", " ")


def plain_figure(value):
    """Figures of any size and unit: four digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


# what is looked for first
_FIRST = ("walks", "walks_without_asids", "tlb_misses", "l1d_misses", "l1i_misses", "l2_misses", "loads", "stores")


def model(entries):
    """One column a counter: the model's figures are its own."""
    found = {c for e in entries for item in e.result.rows[e.name]
             for c in results.counters(item) if not c.startswith("instructions")}
    counters = [c for c in _FIRST if c in found] + sorted(found - set(_FIRST))
    # what no model can know is said, not left out
    lacking = sorted({name for e in entries for name in e.result.context.get("not_supported", [])})
    made = Table(["benchmark", "CPUs", "instructions"] + [_counter_label(c) for c in counters + lacking])
    for entry in entries:
        made.rows.append([_name(entry), Cell(str(entry.cpus)), _figure(entry, "real_time", plain_figure)]
                         + [_figure(entry, c, plain_figure) for c in counters]
                         + [Cell("<not supported>", tone="soft")] * len(lacking))
    return made


def others(loaded, own, family):
    """What the other guests measured in a family, row by row and guest by guest: all of it, stand-ins included."""
    columns = sorted({(r.mode, r.guest, r.cpus) for r in loaded if r.guest != own
                      if any(n.split("/")[0] == family for n in r.rows)})
    results = {(r.mode, r.guest, r.cpus): r for r in loaded}
    names = list(dict.fromkeys(n for c in columns for n in results[c].rows if n.split("/")[0] == family))
    if not names:
        return None
    unit = {"count": "instructions", "time": "median time"}
    labels = [f"{results[c].guest.removesuffix('default').capitalize()} {results[c].context['variant']}, "
              f"{unit.get(mode, mode)}, {cpus} CPU{'s' if cpus > 1 else ''}" for c in columns for mode, _, cpus in [c]]
    made = Table(["benchmark"] + labels)
    for name in names:
        row = [Cell(name, code=True)]
        for column in columns:
            result = results[column]
            show = table.nanoseconds if result.mode == "time" else table.number
            row.append(dataclasses.replace(_figure(report_rows.Entry(name, result), "real_time", show), strong=False)
                       if name in result.rows
                       else Cell(NO, tone="soft"))
        made.rows.append(row)
    return made


_WORD_TONES = {"Pluot takes less": "good", "Linux takes less": "bad"}


def _times(ratio):
    return Cell(NO, tone="soft") if ratio is None else Cell(f"{ratio:.2f}x")


def beside_linux(comparison):
    """The ratio table of beside.py, with what tells two operations apart; None when nothing was compared."""
    show = table.nanoseconds if comparison.mode == "time" else table.number
    made = Table(["benchmark", "CPUs", "Pluot", "Linux lean", "Linux default", "lean ÷ Pluot", "default ÷ Pluot", "in words",
                  "Linux's row", "differs (below)"])
    made.notes = list(dict.fromkeys(p.note for p in comparison.pairs if p.ways and p.note))
    for pair in (p for p in comparison.pairs if p.ways):
        def figure(guest, name, value):
            return Cell(show(value), f"{guest} {comparison.mode} {pair.cpus} {name} real_time") if value else Cell(NO, tone="soft")
        made.rows.append(
            [Cell(pair.name, code=True), Cell(str(pair.cpus)), figure(beside.OWN, pair.name, pair.own),
             figure(beside.LEAN, pair.way.name, pair.way.lean), figure(beside.DEFAULT, pair.way.name, pair.way.default),
             _times(pair.ratio), _times(pair.ratio_default), Cell(pair.words, tone=_WORD_TONES.get(pair.words, "")),
             Cell("" if pair.way.name == pair.name else pair.way.name, code=True), Cell(str(made.notes.index(pair.note) + 1) if pair.note else "", tone="soft")])
    return made if made.rows else None


def command(entry):
    """What measures exactly this row again."""
    variant = entry.result.context["variant"]
    options = "" if variant == "release" or entry.result.guest != "pluot" else f" --variant {variant}"
    guest = "" if entry.result.guest == "pluot" else " --guest linux"
    name = entry.workers[0] if entry.workers else entry.name
    return f"./x bench --mode {entry.mode} --cpus {entry.cpus}{guest}{options} --filter '^{name}$'"


def reproduce(entries):
    seen = dict.fromkeys(command(e) for e in entries)
    return Table(["command"], [[Cell(text, code=True)] for text in seen])
