"""Two measurements of one row: slower, faster, no change or inconclusive. When each word is said, and why.

`judge` is the one place that says them: x compare, x gate and the report ask here.

Counts are exact, so they are compared as they are. A difference below COUNT_STEP is background work of the machine
(a timer interrupt, a refilled cache) that is spread over the operations: what an operation itself executes is whole
instructions. Nothing else is forgiven, except to rows whose baseline names a tolerance and its reason.

Times are tested by Mann-Whitney over boots, with Holm's correction over the rows. A significant difference is a
change only when it is larger than the row's floor: the largest of TIME_FLOOR, the spread between boots on either side,
and what the row's history shows to be usual from one run to the next. Where the floor is so high, or the boots so few,
that a change could not have been seen, the word is inconclusive and never "no change".
"""

from dataclasses import dataclass

from perf import stats

SLOWER, FASTER, SAME, INCONCLUSIVE, MISSING, NEW = (
    "slower", "faster", "no change", "inconclusive", "missing", "new")
WORDS = (SLOWER, FASTER, SAME, INCONCLUSIVE, MISSING, NEW)

# Instructions per operation. Half of one: some rows are two operations a turn.
COUNT_STEP = 0.5
# Times: no difference below this share is worth a word, whatever its significance.
TIME_FLOOR = 0.03
# Times: with a floor above this share a row shows only changes that need no test.
BLIND_FLOOR = 0.25
ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """`change` is new against old, 0.05 for five percent more; None where one side is missing. p is adjusted; `floor`
    is the least change that the row can show, as a share."""

    name: str
    word: str
    old: float = None
    new: float = None
    change: float = None
    p: float = None
    floor: float = None
    why: str = ""


def _one_sided(name, old, new):
    if not new:
        return Verdict(name, MISSING, old=stats.median(old))
    return Verdict(name, NEW, new=stats.median(new))


# ---- counts ----


def count(name, old, new, tolerance=0.0):
    """Two exact values; `tolerance` is the share that the baseline forgives this row."""
    if old is None or new is None:
        return _one_sided(name, [old] if old is not None else [], [new] if new is not None else [])
    difference = new - old
    change = difference / old if old else 0.0
    if abs(difference) < COUNT_STEP or abs(difference) <= tolerance * old:
        return Verdict(name, SAME, old, new, change, floor=tolerance or None)
    return Verdict(name, SLOWER if difference > 0 else FASTER, old, new, change, floor=tolerance or None)


def counts(old_rows, new_rows, tolerances=None):
    """Verdicts of all rows: each side maps a name to one value, `tolerances` some names to a share."""
    tolerances = tolerances or {}
    names = list(old_rows) + [n for n in new_rows if n not in old_rows]
    return [count(n, old_rows.get(n), new_rows.get(n), tolerances.get(n, 0.0)) for n in names]


# ---- times ----


def _floor(old, new, history):
    return max(TIME_FLOOR, stats.spread(old), stats.spread(new), stats.usual_change(history))


def _judge_time(name, old, new, p, history):
    centre = stats.median(old)
    change = stats.median(new) / centre - 1 if centre else 0.0
    floor = _floor(old, new, history)
    figures = (centre, stats.median(new), change, p, floor)
    if p is None:
        return Verdict(name, INCONCLUSIVE, *figures, why="too few boots for so many rows")
    if p < ALPHA and abs(change) >= floor:
        return Verdict(name, SLOWER if change > 0 else FASTER, *figures)
    if p < ALPHA and abs(change) >= TIME_FLOOR:
        return Verdict(name, INCONCLUSIVE, *figures, why=f"below the row's own noise of {100 * floor:.0f} %")
    if floor > BLIND_FLOOR:
        return Verdict(name, INCONCLUSIVE, *figures, why=f"noise of {100 * floor:.0f} % hides smaller changes")
    return Verdict(name, SAME, *figures)


def _testable(old_rows, new_rows, both):
    """The rows with enough boots a side for a verdict; each row that is tested raises what Holm asks of all."""
    return [n for n in both
            if stats.least_p(len(old_rows[n]), len(new_rows[n])) * len(both) < ALPHA]


def times(old_rows, new_rows, history=None):
    """Verdicts of all rows of two results; each maps a name to its values, one a boot. `history`: earlier medians."""
    history = history or {}
    both = [n for n in old_rows if n in new_rows]
    tested = _testable(old_rows, new_rows, both)
    adjusted = dict(zip(tested, stats.holm([stats.mann_whitney(old_rows[n], new_rows[n]) for n in tested])))
    found = [_judge_time(n, old_rows[n], new_rows[n], adjusted.get(n), history.get(n, [])) for n in both]
    found += [_one_sided(n, old_rows[n], []) for n in old_rows if n not in new_rows]
    return found + [_one_sided(n, [], new_rows[n]) for n in new_rows if n not in old_rows]


# ---- whole results ----


def judge(old, new, history=None):
    """Verdicts of two Results (perf/results.py) of one mode and machine size."""
    if old.mode == "time":
        return times(old.values(), new.values(), history)
    return counts({n: old.value(n) for n in old.rows}, {n: new.value(n) for n in new.rows})


def summary(verdicts):
    """How often each word was said: 2 slower, 40 no change."""
    words = [v.word for v in verdicts]
    return ", ".join(f"{words.count(w)} {w}" for w in WORDS if w in words) or "no rows"


def status(verdicts):
    """Exit status of a comparison: 1 when a row is slower, 2 when it cannot be told of one, else 0."""
    words = {v.word for v in verdicts}
    if SLOWER in words:
        return 1
    return 2 if words & {INCONCLUSIVE, MISSING} else 0


def percent(change):
    return "" if change is None else f"{100 * change:+.1f} %"
