"""x bench --guest linux --check-anchors: do Linux's rows agree with those of another program, on the same kernel?

perf/anchors.json keeps what was measured independently; a row passes within its percentage. What was
recorded is a least batch: it must lie between our least batch and our median, or close to the nearer of them.
"""

import re
from dataclasses import dataclass

from perf import beside, reference, table

_COMMAND_LINE = {beside.LEAN: "lean", beside.DEFAULT: "default"}


@dataclass(frozen=True)
class Check:
    """One row under one command line. `percent`: the deviation of the nearest figure; `allowed`: how much of it passes; `why`: known reason."""

    name: str
    guest: str
    least: float
    median: float
    anchor: float
    allowed: float
    known: float
    why: str

    @property
    def percent(self):
        nearest = min(max(self.anchor, self.least), self.median)
        return (nearest / self.anchor - 1) * 100

    @property
    def word(self):
        if abs(self.percent) <= self.allowed:
            return "agrees"
        return "known" if abs(self.percent) <= self.known else "DIFFERS"


def recorded():
    return reference.agreement()


def pattern():
    """--filter that leaves what can be checked."""
    return "^(?:%s)$" % "|".join(re.escape(name) for name in recorded()["rows"])


def checks(loaded):
    """Check of every recorded row that was measured on the recorded machine size."""
    told, made = recorded(), []
    for result in loaded:
        line = _COMMAND_LINE.get(result.guest)
        if not line or result.mode != "count" or result.cpus != told["cpus"]:
            continue
        for name, row in told["rows"].items():
            if name in result.rows:
                known = row.get("known", {})
                median = result.value(name)
                least = result.counter(name, "min_instructions") or median
                made.append(Check(name, result.guest, least, median, row[line], told["percent"], known.get("percent", 0),
                                  known.get("why", "")))
    return made


def missing(loaded):
    """(row, guest) that should have been measured."""
    have = {(c.name, c.guest) for c in checks(loaded)}
    return [(name, guest) for guest in _COMMAND_LINE for name in recorded()["rows"] if (name, guest) not in have]


def other_kernel(loaded):
    """The version that was measured, when it is not the recorded one; otherwise empty."""
    kernels = {r.context["kernel_commit"] for r in loaded if r.guest in _COMMAND_LINE}
    return next((kernel for kernel in sorted(kernels) if recorded()["kernel"] not in kernel), "")


def render(loaded):
    """Lines for the terminal."""
    found, told = checks(loaded), recorded()
    rows = [[c.name, _COMMAND_LINE[c.guest], table.number(c.least), table.number(c.median), table.number(c.anchor), f"{c.percent:+.1f} %", c.word]
            for c in found]
    lines = table.layout(["row", "command line", "least batch", "median", "recorded", "deviation", "verdict"], rows)
    reasons = {c.name: c.why for c in found if c.word == "known"}
    lines += [""] + [f"{name}: {why}" for name, why in reasons.items()]
    lines += [f"not measured: {name} ({_COMMAND_LINE[guest]})" for name, guest in missing(loaded)]
    words = [c.word for c in found]
    lines.append(f"{words.count('agrees')} of {len(words)} agree within {told['percent']} %, {words.count('known')} differ for "
                 f"a known reason, {words.count('DIFFERS')} differ")
    other = other_kernel(loaded)
    if other:
        lines.append(f"inconclusive: the figures are of Linux {told['kernel']}, this is {other}")
    return lines


def status(loaded):
    """0 all agree; 1 a row differs or was not measured; 2 another kernel."""
    if other_kernel(loaded):
        return 2
    return 1 if missing(loaded) or any(c.word == "DIFFERS" for c in checks(loaded)) else 0
