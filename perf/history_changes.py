"""Rows over time: a series of runs for each row, and the points where it changed.

Counts are exact, so every run that differs from the one before by what verdicts.py calls a difference is a change point.

Times are noisy, so a change point is where Pettitt's test (A. N. Pettitt, "A non-parametric approach to the change-point
problem", 1979) finds one: for each place in the series it adds up how the runs before rank against the runs after; the
place with the largest sum K is taken if p = 2 exp(-6 K^2 / (n^3 + n^2)) is below ALPHA and the medians on both sides
differ by more than the row's own noise. Both halves are then looked at again. It assumes no distribution, one outlier
moves it little, and the same files always give the same answer. A shift needs about a dozen runs in all, of which a
third after it, to be seen: whether the last run is slower is `x compare`'s question.

Another compiler or another QEMU makes other figures: the series goes on, but what changes there is marked as the
tools' and not the kernel's.
"""

import math
from dataclasses import dataclass, field

from perf import stats, verdicts

ALPHA = 0.05
# runs on either side of a change point in time mode
_LEAST = 4
TOOLS = "other tools"


@dataclass(frozen=True)
class Point:
    """One run of a row."""

    date: str
    commit: str
    value: float
    tools: tuple


@dataclass(frozen=True)
class Change:
    """At `index` the series began to be otherwise. `word`: slower, faster, or other tools; p of Pettitt's test for times."""

    index: int
    old: float
    new: float
    word: str
    p: float = None

    @property
    def share(self):
        return self.new / self.old - 1 if self.old else 0.0


@dataclass
class Series:
    """All runs of one row on one kind of machine, oldest first. `machine`: (guest, mode, cpus, variant, host of times)"""

    name: str
    machine: tuple
    points: list = field(default_factory=list)
    changes: list = field(default_factory=list)

    @property
    def mode(self):
        return self.machine[1]

    @property
    def values(self):
        return [point.value for point in self.points]


# ---- series ----


def _machine(result):
    context = result.context
    return (result.guest, result.mode, result.cpus, context["variant"],
            context.get("host_name", "") if result.mode == "time" else "")


def series(loaded, wanted=lambda name: True):
    """The series of all rows with their change points; `loaded` in the order of dates."""
    found = {}
    for result in loaded:
        context, machine = result.context, _machine(result)
        for name in filter(wanted, result.rows):
            made = found.setdefault((machine, name), Series(name, machine))
            made.points.append(Point(context["date"], context["kernel_commit"], result.value(name),
                                     (context["compiler"], context["qemu_version"])))
    for made in found.values():
        made.changes = changes(made.points, made.mode)
    return list(found.values())


# ---- change points ----


def changes(points, mode):
    """Change points of a series, in order."""
    found, start = [], 0
    for end in range(1, len(points) + 1):
        if end < len(points) and points[end].tools == points[start].tools:
            continue
        part = [point.value for point in points[start:end]]
        found += [_moved(change, start) for change in (_time_changes(part) if mode == "time" else _exact_changes(part))]
        if end < len(points):
            found.append(Change(end, points[end - 1].value, points[end].value, TOOLS))
        start = end
    return found


def _moved(change, by):
    return Change(change.index + by, change.old, change.new, change.word, change.p)


def _exact_changes(values):
    for index in range(1, len(values)):
        verdict = verdicts.count("", values[index - 1], values[index])
        if verdict.word != verdicts.SAME:
            yield Change(index, values[index - 1], values[index], verdict.word)


def pettitt(values):
    """(place, p): where the series most likely shifts, and how likely it is that it does not."""
    n, total, sums = len(values), 0, []
    for value in values[:-1]:
        total += sum((other > value) - (other < value) for other in values)
        sums.append(abs(total))
    largest = max(sums)
    return sums.index(largest) + 1, min(1.0, 2 * math.exp(-6 * largest ** 2 / (n ** 3 + n ** 2)))


# of normal noise, the distance of the quartiles is so many times the median step from one run to the next
_QUARTILES_OF_STEPS = 1.349 / 0.954


def _noise(values):
    """The distance of the quartiles against the median, by steps from run to run: a shift in the series, or two, hardly
    moves it."""
    steps = [abs(after - before) for before, after in zip(values, values[1:])]
    return _QUARTILES_OF_STEPS * stats.median(steps) / stats.median(values)


def _time_changes(values, start=0):
    if len(values) < 2 * _LEAST:
        return []
    place, p = pettitt(values)
    before, after = values[:place], values[place:]
    if p >= ALPHA or min(len(before), len(after)) < _LEAST:
        return []
    old, new = stats.median(before), stats.median(after)
    if not old or abs(new / old - 1) < max(verdicts.TIME_FLOOR, _noise(values)):
        return []
    word = verdicts.SLOWER if new > old else verdicts.FASTER
    return (_time_changes(before, start) + [Change(start + place, old, new, word, p)]
            + _time_changes(after, start + place))
