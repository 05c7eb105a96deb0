"""What a page says first: what got slower, what beats Linux and by how much, what misses its target, what went wrong."""

import dataclasses
from dataclasses import dataclass, field

from perf import baseline, beside, report_tables, stats, table, verdicts

Cell, Table = report_tables.Cell, report_tables.Table
# rows shown in a finding; the families' tables have all of them
_SHOWN = 8


@dataclass
class Finding:
    """`tone` is good, bad or plain; `head` says it in one sentence, `rows` name the cases, most telling first."""

    title: str
    tone: str
    head: str
    notes: list = field(default_factory=list)
    rows: Table = None


def _plural(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"


# ---- against counts that were accepted, and against the run before ----


def against_baseline(entries, path=baseline.PATH):
    """({(row, cpus): Verdict}, why it cannot be judged): count mode against perf/baseline."""
    doc = baseline.load(path)
    counted = [e for e in entries if e.mode == "count"]
    if doc is None or not counted:
        return {}, ""
    context = counted[0].result.context
    why = baseline.foreign(doc, context)
    if doc.get("variant", "release") != context["variant"]:
        why = why or f"variant is {context['variant']}, the baseline's {doc.get('variant')}"
    if why:
        return {}, why
    found = {v.name: v for v in baseline.judge(doc, [e.result for e in counted])}
    return {(e.name, e.cpus): dataclasses.replace(found[baseline.row_key(e.name, e.cpus)], name=e.name)
            for e in counted}, ""


def against_previous(entries, previous):
    """Verdicts of what an earlier run measured on the same machine; `previous`: {(mode, cpus): Result}."""
    found = []
    for (mode, cpus), old in previous.items():
        results = [e.result for e in entries if (e.mode, e.cpus) == (mode, cpus) and e.name in old.rows]
        found += [v for v in verdicts.judge(old, results[0]) if v.old is not None and v.new is not None] if results else []
    return found


def _changes(found):
    """The rows that moved: slower ones first, each kind by how much."""
    moved = [v for v in found if v.word in (verdicts.SLOWER, verdicts.FASTER)]
    moved.sort(key=lambda v: (v.word != verdicts.SLOWER, -abs(v.change)))
    rows = Table(["benchmark", "before", "now", "change"])
    for verdict in moved[:_SHOWN]:
        show = table.number if verdict.p is None else table.nanoseconds
        rows.rows.append([Cell(verdict.name, code=True), Cell(show(verdict.old)), Cell(show(verdict.new)),
                          report_tables.verdict_cell(verdict)])
    if len(moved) > _SHOWN:
        rows.notes.append(f"{len(moved) - _SHOWN} more in the families' tables.")
    return rows if moved else None


def _change_finding(title, found, notes):
    slower = sum(v.word == verdicts.SLOWER for v in found)
    head = f"{_plural(slower, 'row')} slower." if slower else "No row is slower."
    tone = "bad" if slower else "good"
    return Finding(title, tone, head, [verdicts.summary(found) + "."] + notes, _changes(found))


def since_baseline(entries, path=baseline.PATH):
    found, why = against_baseline(entries, path)
    title = "Instructions since the accepted baseline"
    if why:
        return Finding(title, "plain", "Not comparable.", [why + "."])
    return _change_finding(title, list(found.values()), []) if found else None


def since_previous(entries, previous):
    """The kept run before this one."""
    found = against_previous(entries, previous)
    if not found:
        return None
    old = next(iter(previous.values())).context
    return _change_finding(f"Since the run before ({old['kernel_commit']}, {old['date'][:10]})", found, [])


# ---- against others ----


def ratios(entries, anchor, mode):
    """[(other / own, entry)], the largest first."""
    pairs = [(report_tables.anchor_value(anchor, e), e) for e in entries if e.mode == mode]
    return sorted(((other / e.value, e) for other, e in pairs if other and e.value), key=lambda p: (-p[0], p[1].name))


_TAKES = {"count": "fewer instructions", "time": "less time"}


def against_anchor(entries, anchor):
    """One finding on another system, both modes, or None where nothing is the same."""
    if not entries:
        return None
    own = entries[0].result.guest.capitalize()
    name = report_tables.spoken(anchor)
    heads, notes, rows, tone = [], [], Table(["benchmark", own, name, "ratio"]), "plain"
    for mode, show in (("count", table.number), ("time", table.nanoseconds)):
        found = ratios(entries, anchor, mode)
        if not found:
            continue
        wins = sum(ratio > 1 + beside.ALIKE for ratio, _ in found)
        # booting is no operation that a program waits for, and would outweigh a dozen others
        mean = stats.geometric_mean([ratio for ratio, e in found if e.family != "boot"] or [1])
        heads.append(f"{wins} of {len(found)} rows take {_TAKES[mode]} here; geometric mean {mean:.2f}x.")
        losing = [(ratio, e) for ratio, e in reversed(found) if ratio < 1 - beside.ALIKE]
        tone = "bad" if losing and tone != "plain" else tone if losing else "good" if tone == "plain" else tone
        for ratio, entry in (losing[:4] + found[:3] if mode == "count" else losing[:4]):
            rows.rows.append([Cell(entry.name, code=True), Cell(show(entry.value)),
                              Cell(show(report_tables.anchor_value(anchor, entry))),
                              Cell(f"{ratio:.2f}x", tone="good" if ratio > 1 else "bad")])
    if not heads:
        return None
    where = anchor.source.get("measured", "recorded")
    notes = heads[1:] + [f"Above 1x: {name} takes that many times as much. Figures of {name}: {where}."]
    return Finding(f"Against {name}", tone, heads[0], notes, rows)


# ---- against targets ----


def targets(entries, ref):
    counted = [(e, ref.target(e.name)) for e in entries if e.mode == "count" and ref.target(e.name)]
    if not counted:
        return None
    met = [e for e, t in counted if e.value <= t.goal]
    stretch = [e for e, t in counted if e.value <= t.stretch]
    missed = sorted(((e.value / t.goal, e, t) for e, t in counted if e.value > t.goal), key=lambda m: -m[0])
    rows = Table(["benchmark", "instructions", "goal", "missed by"])
    for ratio, entry, target in missed[:_SHOWN]:
        rows.rows.append([Cell(entry.name, code=True), Cell(table.number(entry.value)), Cell(table.number(target.goal)),
                          Cell(f"{ratio:.2f}x goal", tone="bad")])
    head = f"{len(met)} of {_plural(len(counted), 'row')} at or under the goal."
    return Finding("Targets", "bad" if missed else "good", head, [f"{len(stretch)} also at or under the stretch target."],
                   rows if missed else None)


# ---- what went wrong ----


def alarms(loaded):
    """[(what, text)]: incomplete files, failed and skipped rows, times that were taken on a busy host."""
    found = []
    for result in loaded:
        context = result.context
        where = f"{result.guest}, {result.mode} mode, {_plural(result.cpus, 'CPU')}"
        if not result.complete:
            found.append((f"Incomplete: {where}", context.get("incomplete_reason", "")))
        if table.busy_host(context):
            found.append((f"Warning: {where}", table.busy_host(context)))
        for what in ("failed", "skipped"):
            found += [(f"{row['name']} {what} ({where})", row["reason"]) for row in context.get(what, [])]
    return found


def findings(entries, ref, previous, path=baseline.PATH):
    made = [since_baseline(entries, path), since_previous(entries, previous)]
    made += [against_anchor(entries, anchor) for anchor in sorted(ref.anchors, key=lambda a: a.id != "linux")]
    made.append(targets(entries, ref))
    return [finding for finding in made if finding]
