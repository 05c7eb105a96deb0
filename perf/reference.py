"""What results are held against: perf/targets.json (what Pluot must reach) and perf/anchors.json (what others take)."""

import json
import os
import re
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


# Where several ways of another system stand for one row of ours: the cheapest of those that are named alike.
_STAND_INS = re.compile(r"^ipc/linux_[a-z]+/(\d+)$")


def _stand_in(result, name):
    """(value, what it is) of the row itself, or of the cheapest stand-in for a round trip; None when there is none."""
    if name in result.rows:
        return result.value(name), "the same source"
    wanted = {"ipc/send_recv_self/64": "linux_pipe_self"}.get(name)
    size = re.match(r"^ipc/rpc_inline/(\d+)$", name)
    found = [(result.value(n), n) for n in result.rows
             if (wanted and wanted in n) or (size and _STAND_INS.match(n) and n.endswith("/" + size.group(1)))]
    return min(found) if found else None


def measured(ref, loaded):
    """`ref` with Linux as it was measured here, where the folder has results of it: its anchors come from them."""
    if not any(r.guest == "linux" for r in loaded):
        return ref
    figures = {}
    ours = {name for r in loaded if r.guest == "pluot" for name in r.rows} | set(ref.targets)
    for result in (r for r in loaded if r.guest == "linux"):
        for name in ours | set(result.rows):
            told = _stand_in(result, name)
            if told:
                row = figures.setdefault(name, {"operation": told[1]})
                row[FIGURE[result.mode]] = told[0]
    context = next(r.context for r in loaded if r.guest == "linux")
    source = {"kernel": context["kernel_commit"], "measured": f"here, {context['date']}, {context['variant']} command line",
              "compiler": context["compiler"], "qemu": context["qemu_version"], "flags": context["qemu_command"]}
    anchors = [Anchor("linux", "Linux, here", source, figures, a.by_size) if a.id == "linux" else a for a in ref.anchors]
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
