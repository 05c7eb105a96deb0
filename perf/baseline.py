"""perf/baseline/counts.json: the accepted counts of every row, what they were measured with, and why they changed.

The file is written by `x gate --accept REASON` only. It names the compiler and the QEMU, since another compiler makes
other counts: a gate on another machine must know that it cannot judge.
"""

import datetime
import json
import os

from perf import results, stats

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "baseline", "counts.json")
FORMAT = 1
_TOOLS = ("compiler", "qemu_version")


class BaselineError(Exception):
    """The file cannot be used; one line for the user."""


def row_key(name, cpus):
    return f"{name} on {cpus} CPU{'s' if cpus > 1 else ''}"


def rows_of(loaded):
    """{row and machine: count} of count-mode results; aggregates aside, one value each."""
    return {row_key(name, r.cpus): r.value(name) for r in loaded if r.mode == "count" for name in r.rows}


def load(path=PATH):
    try:
        with open(path, encoding="utf-8") as source:
            doc = json.load(source)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BaselineError(f"{path}: not a baseline ({error})") from None
    if not isinstance(doc, dict) or doc.get("format") != FORMAT or not isinstance(doc.get("rows"), dict):
        raise BaselineError(f"{path}: not a baseline of format {FORMAT}")
    return doc


def foreign(doc, context):
    """Why counts with this context cannot be held against the baseline; empty when they can."""
    reasons = []
    for key in _TOOLS:
        if doc[key] != context[key]:
            reasons.append(f"{key.replace('_', ' ')} is {context[key]}, the baseline's {doc[key]}")
    return "; ".join(reasons)


def accept(old, loaded, reason, changes, path=PATH):
    """Writes new counts over the ones of `old` (or None); rows that were not measured keep theirs."""
    context = loaded[0].context
    rows = dict(old["rows"]) if old else {}
    rows.update(rows_of(loaded))
    history = list(old["history"]) if old else []
    history.append({
        "date": datetime.date.today().isoformat(),
        "commit": context["kernel_commit"],
        "reason": reason,
        "changed": {name: [before, after] for name, before, after in changes},
    })
    doc = {"format": FORMAT, **{key: context[key] for key in _TOOLS}, "variant": context["variant"],
           "rows": dict(sorted(rows.items())), "history": history}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    results.write(path, doc)
    return path


def geometric_change(verdicts_found):
    """Mean ratio new/old over the rows that both sides have."""
    ratios = [v.new / v.old for v in verdicts_found if v.old and v.new]
    return stats.geometric_mean(ratios) if ratios else 1.0
