"""perf/baseline/counts.json: the accepted counts of every row, what they were measured with, and why they changed.

The file is written by `x gate --accept REASON` only. It names the compiler and the QEMU, since another compiler makes
other counts: a gate on another machine must know that it cannot judge. `tolerances` has the few rows whose count depends
on more than the code of their own operation: by which share they may move, and why.
"""

import datetime
import json
import os

from perf import results, verdicts

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "baseline", "counts.json")
FORMAT = 1
_TOOLS = ("compiler", "qemu_version")
_NEEDED = {"rows": dict, "history": list, "compiler": str, "qemu_version": str, "variant": str}


class BaselineError(Exception):
    """The file cannot be used; one line for the user."""


def row_key(name, cpus):
    return f"{name} on {cpus} CPU{'s' if cpus > 1 else ''}"


def row_of(key):
    """The row's registered name."""
    return key.split(" on ")[0].split("/threads:")[0]


def rows_of(loaded):
    """{row and machine: count} of count-mode results; aggregates aside, one value each."""
    return {row_key(name, r.cpus): r.value(name) for r in loaded if r.mode == "count" for name in r.rows}


def load(path=PATH):
    """The checked file, or None when there is none."""
    try:
        with open(path, encoding="utf-8") as source:
            doc = json.load(source)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BaselineError(f"{path}: not a baseline ({error})") from None
    if not isinstance(doc, dict) or doc.get("format") != FORMAT:
        raise BaselineError(f"{path}: not a baseline of format {FORMAT}")
    for key, kind in _NEEDED.items():
        if not isinstance(doc.get(key), kind):
            raise BaselineError(f"{path}: not a baseline of format {FORMAT} (no {key})")
    return doc


def foreign(doc, context):
    """Why counts with this context cannot be held against the baseline; empty when they can."""
    reasons = []
    for key in _TOOLS:
        if doc[key] != context[key]:
            reasons.append(f"{key.replace('_', ' ')} is {context[key]}, the baseline's {doc[key]}")
    return "; ".join(reasons)


def tolerances(doc):
    """{row and machine: share}"""
    return {key: entry["share"] for key, entry in doc.get("tolerances", {}).items()}


def judge(doc, loaded, wanted=None):
    """Verdicts of Results against the accepted counts of the rows whose names are `wanted`, or of all."""
    rows = {key: value for key, value in doc["rows"].items() if wanted is None or row_of(key) in wanted}
    return verdicts.counts(rows, rows_of(loaded), tolerances(doc))


def accept(old, loaded, reason, tolerated=None, path=PATH):
    """Writes new counts over the ones of `old` (or None); rows that were not measured keep theirs. `tolerated` maps a
    row and machine to the share it may move by, for the same reason."""
    context = loaded[0].context
    measured = rows_of(loaded)
    rows = {**(old["rows"] if old else {}), **measured}
    changed = verdicts.counts({k: v for k, v in old["rows"].items() if k in measured}, measured) if old else []
    given = {key: {"share": share, "reason": reason} for key, share in (tolerated or {}).items()}
    entry = {
        "date": datetime.date.today().isoformat(),
        "commit": context["kernel_commit"],
        "reason": reason,
        "changed": {v.name: [v.old, v.new] for v in changed if v.word != verdicts.SAME},
    }
    doc = {"format": FORMAT, **{key: context[key] for key in _TOOLS}, "variant": context["variant"],
           "rows": dict(sorted(rows.items())),
           "tolerances": {**(old.get("tolerances", {}) if old else {}), **given},
           "history": (list(old["history"]) if old else []) + [entry]}
    results.write(path, doc)
    return path
