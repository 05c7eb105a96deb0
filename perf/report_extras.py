"""What stands in a result folder beside the result files: the sharing matrix, and links to profiles and traces.

  DIR/sharing.json       {"cpus", "rows": [names], "matrix": [[lines shared, null: not measured]], "zero": [names]}
  DIR/profile/ROW/*      ROW is a row's name with "-" for "/"; likewise DIR/trace/ROW/* and DIR/stat/ROW/*

What `x profile` and its like leave beside the folder (out/profile beside out/bench) is found as well.
"""

import json
import os

from perf import plots, report_tables

_KINDS = (("profile", "Flame graphs and profiles"), ("trace", "Traces"), ("stat", "Counters"))
Cell, Table = report_tables.Cell, report_tables.Table


def _folders(out, kind):
    """Where files of a kind may lie: in the folder itself, or beside it (out/profile beside out/bench)."""
    return [folder for folder in (os.path.join(out, kind), os.path.join(os.path.dirname(out), kind)) if os.path.isdir(folder)]


def _of_row(folders, row):
    """Paths of a row's files, in the first folder that has some."""
    for folder in folders:
        own = os.path.join(folder, row.replace("/", "-"))
        if os.path.isdir(own):
            return [os.path.join(own, name) for name in sorted(os.listdir(own))]
    return []


def _links(out, kind, names):
    """Table of files of a kind, row by row."""
    report, folders, made = os.path.join(out, "report"), _folders(out, kind), Table(["benchmark", "files"])
    for name in names:
        links = tuple((os.path.relpath(path, report), os.path.basename(path)) for path in _of_row(folders, name))
        if links:
            made.rows.append([Cell(name, code=True), Cell("", links=links)])
    return made if made.rows else None


# ---- sharing ----


def _read_sharing(out):
    try:
        with open(os.path.join(out, "sharing.json"), encoding="utf-8") as source:
            doc = json.load(source)
        size = len(doc["rows"])
        if len(doc["matrix"]) != size or any(len(line) != size for line in doc["matrix"]):
            return None
        return doc
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sharing_picture(doc):
    """The matrix of a DIR/sharing.json."""
    title = f"cache lines shared between CPUs, {doc.get('cpus', 2)} CPUs"
    return plots.matrix("sharing", title, "Each row runs on one CPU while its column runs on another.", doc["rows"],
                        doc["matrix"], "Cache lines written by one CPU and touched by the other; 0 is best.")


def _sharing_card(out, card):
    doc = _read_sharing(out)
    if not doc or not doc["rows"]:
        return None
    picture = sharing_picture(doc)
    made = card("sharing", "sharing", "Which operations, done at once on different CPUs, touch a common cache line that one of "
                "them writes. Where there is none, nothing in the kernel keeps them from scaling.", [picture])
    lines = Table(["benchmark", "line", "kind", "by"])
    for row, found in (doc.get("lines") or {}).items():
        for line in found:
            lines.rows.append([Cell(row, code=True), Cell(str(line.get("what", ""))), Cell(f"{line.get('kind', '')} sharing"),
                               Cell(str(line.get("by", "")))])
    if lines.rows:
        made.folded.append(("Every shared line", lines))
    return made


def cards(out, card, entries):
    """The cards that the folder has files for. `card` makes one."""
    names = list(dict.fromkeys((e.workers or (e.name,))[0] for e in entries))
    found = [_sharing_card(out, card)]
    for kind, title in _KINDS:
        links = _links(out, kind, names)
        if links:
            found.append(card(kind, title, tables=[links]))
    return [made for made in found if made]
