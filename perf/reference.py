"""What results are held against: perf/targets.json (what Pluot must reach) and perf/anchors.json (what others take)."""

import json
import os
import re
from dataclasses import dataclass

from perf import beside

# which figure of an anchor a mode compares with
FIGURE = {"count": "instructions", "time": "ns"}
_FOLDER = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True)
class Target:
    """Instructions per operation."""

    name: str
    what: str
    goal: float
    stretch: float


@dataclass(frozen=True)
class Anchor:
    """Another kernel: `rows` maps our row's name to {"instructions", "ns" where known, "operation"}.

    `by_size` is its message round trip against payload: {"operation", "points": [{"bytes", "instructions", "ns"}]}.
    """

    id: str
    label: str
    source: dict
    rows: dict
    by_size: dict

    def value(self, name, mode):
        return self.rows.get(name, {}).get(FIGURE[mode])

    def operation(self, name):
        return self.rows.get(name, {}).get("operation", "")


@dataclass(frozen=True)
class Reference:
    targets: dict
    anchors: list
    scaling_target: dict
    scaling_anchor: dict

    def target(self, name):
        return self.targets.get(name)


def _read(name):
    with open(os.path.join(_FOLDER, name), encoding="utf-8") as source:
        return json.load(source)


def load():
    targets = _read("targets.json")
    anchors = _read("anchors.json")
    return Reference(
        targets={row["name"]: Target(**row) for row in targets["targets"]},
        anchors=[Anchor(a["id"], a["label"], a["source"], a["rows"], a["by_size"]) for a in anchors["anchors"]],
        scaling_target=targets["scaling"],
        scaling_anchor=anchors["scaling"],
    )


def agreement():
    """What Linux's own rows are checked against: {"kernel", "cpus", "percent", "rows"}."""
    return _read("anchors.json")["agreement"]


_LABELS = {beside.LEAN: "Linux, here", beside.DEFAULT: "Linux default, here"}


def _figures(loaded, guest):
    """{our row: {"operation", "instructions", "ns"}} of Linux as it was measured here."""
    figures = {}
    for mode, figure in FIGURE.items():
        found = beside.compare(loaded, mode)
        told = [(pair.name, pair.way) for pair in found.pairs if pair.ways] + [(way.name, way) for way, _ in found.only_linux]
        for name, way in told:
            value = way.lean if guest == beside.LEAN else way.default
            if value is not None:
                row = figures.setdefault(name, {})
                row["operation"] = "the same source" if way.name == name else way.name
                row[figure] = value
    return figures


def _by_size(figures):
    """The cheapest way of each size."""
    points = {}
    for name, row in figures.items():
        size = re.match(r"^ipc/(?:rpc_inline|linux_(?!bulk|cross|self)[a-z]+)/(\d+)$", name)
        for figure in FIGURE.values():
            if size and figure in row:
                point = points.setdefault(int(size.group(1)), {"bytes": int(size.group(1))})
                point[figure] = min(row[figure], point.get(figure, row[figure]))
    return {"operation": "round trip, the cheapest way", "points": [points[size] for size in sorted(points)]}


def _measured_anchor(loaded, guest):
    context = next(r.context for r in loaded if r.guest == guest)
    source = {"kernel": context["kernel_commit"], "measured": f"here, {context['date']}, {context['variant']} command line",
              "compiler": context["compiler"], "qemu": context["qemu_version"], "flags": context["qemu_command"]}
    figures = _figures(loaded, guest)
    return Anchor(guest, _LABELS[guest], source, figures, _by_size(figures))


def measured(ref, loaded):
    """`ref` with Linux as it was measured here, where the folder has results of it: its anchors come from them."""
    guests = [guest for guest in _LABELS if any(r.guest == guest for r in loaded)]
    if not guests:
        return ref
    anchors = [a for a in ref.anchors if a.id not in _LABELS] + [_measured_anchor(loaded, guest) for guest in guests]
    return Reference(ref.targets, anchors, ref.scaling_target, ref.scaling_anchor)


def verdict(value, target):
    """One word or two, so that nothing hangs on a colour."""
    if target is None:
        return ""
    if value <= target.stretch:
        return "stretch met"
    if value <= target.goal:
        return "goal met"
    return "%.2fx goal" % (value / target.goal)
