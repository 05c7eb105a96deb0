"""Two measurements of one row: slower, faster, no change or inconclusive. Words, and why.

Counts are exact, so they are compared as they are: any difference above COUNT_FLOOR is one. Times are compared by
Mann-Whitney's test over the repetitions with Holm's correction over the rows, and only differences above the row's own
noise count.
"""

from dataclasses import dataclass

from perf import stats

SLOWER, FASTER, SAME, INCONCLUSIVE, MISSING, NEW = (
    "slower", "faster", "no change", "inconclusive", "missing", "new")

# A count differs when it moves by one instruction and by this share: code that moves elsewhere shifts the timer
# interrupts against long operations, which is no change of theirs.
COUNT_FLOOR = 0.002
COUNT_STEP = 1.0
# Times: no difference below this share is worth a word, whatever its significance.
TIME_FLOOR = 0.03
ALPHA = 0.05
# With fewer boots a side the test cannot reach ALPHA at all.
MIN_BOOTS = 4


@dataclass(frozen=True)
class Verdict:
    """`change` is new against old, 0.05 for five percent more; None where one side is missing. p is adjusted."""

    name: str
    word: str
    old: float = None
    new: float = None
    change: float = None
    p: float = None
    why: str = ""


def _one_sided(name, old, new):
    if not new:
        return Verdict(name, MISSING, old=stats.median(old))
    return Verdict(name, NEW, new=stats.median(new))


def count(name, old, new):
    """Two exact values."""
    if old is None or new is None:
        return _one_sided(name, [old] if old is not None else [], [new] if new is not None else [])
    difference = new - old
    change = difference / old if old else 0.0
    if abs(difference) < COUNT_STEP or abs(change) < COUNT_FLOOR:
        return Verdict(name, SAME, old, new, change)
    return Verdict(name, SLOWER if difference > 0 else FASTER, old, new, change)


def _judge_time(name, old, new, p):
    centre = stats.median(old)
    change = stats.median(new) / centre - 1 if centre else 0.0
    floor = max(TIME_FLOOR, stats.spread(old), stats.spread(new))
    figures = (stats.median(old), stats.median(new), change, p)
    if p is None:
        return Verdict(name, INCONCLUSIVE, *figures, why=f"fewer than {MIN_BOOTS} boots a side")
    if p >= ALPHA or abs(change) < TIME_FLOOR:
        return Verdict(name, SAME, *figures)
    if abs(change) < floor:
        return Verdict(name, INCONCLUSIVE, *figures, why=f"below the row's own spread of {100 * floor:.0f} %")
    return Verdict(name, SLOWER if change > 0 else FASTER, *figures)


def times(old_rows, new_rows):
    """Verdicts of all rows of two results; each maps a name to its values, one a boot."""
    both = [n for n in old_rows if n in new_rows]
    tested = [n for n in both if min(len(old_rows[n]), len(new_rows[n])) >= MIN_BOOTS]
    adjusted = dict(zip(tested, stats.holm([stats.mann_whitney(old_rows[n], new_rows[n]) for n in tested])))
    found = [_judge_time(n, old_rows[n], new_rows[n], adjusted.get(n)) for n in both]
    found += [_one_sided(n, old_rows[n], []) for n in old_rows if n not in new_rows]
    return found + [_one_sided(n, [], new_rows[n]) for n in new_rows if n not in old_rows]


def counts(old_rows, new_rows):
    """The same for exact values: each maps a name to one value."""
    names = list(old_rows) + [n for n in new_rows if n not in old_rows]
    return [count(n, old_rows.get(n), new_rows.get(n)) for n in names]


def status(verdicts):
    """Exit status: 1 when a row is slower or gone, 2 when it cannot be told, else 0."""
    words = {v.word for v in verdicts}
    if words & {SLOWER, MISSING}:
        return 1
    return 2 if INCONCLUSIVE in words else 0


def percent(change):
    return "" if change is None else f"{100 * change:+.1f} %"
