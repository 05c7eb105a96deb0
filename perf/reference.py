"""What results are held against: perf/targets.json (what Pluot must reach) and perf/anchors.json (what others take)."""

import json
import os
from dataclasses import dataclass

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


def verdict(value, target):
    """One word or two, so that nothing hangs on a colour."""
    if target is None:
        return ""
    if value <= target.stretch:
        return "stretch met"
    if value <= target.goal:
        return "goal met"
    return "%.2fx goal" % (value / target.goal)
