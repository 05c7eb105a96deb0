"""x history [FILE|DIR...]: kept results over time, one line a row, with change points marked.

Without arguments it reads what `x bench` kept in out/history. The same is written as a page, as Markdown and as JSON.
Exit status: 0; 1 when there is nothing to show or a kept file cannot be read; 64 wrong usage, a file of the user's own
that cannot be read included.
"""

import json
import os
import re
import sys

from x import setup, usage

from perf import baseline, history_changes, history_kept, history_page, plots, results, stats, table, verdicts

DEFAULT_OUT = os.path.join(history_kept.FOLDER, "report")
_BARS = {True: "▁▂▃▄▅▆▇█", False: "_.,-~=*#"}
_MARK = {True: "│", False: "|"}
# runs in a trend line on the terminal
_TREND = 32


def _pattern(text):
    try:
        return re.compile(text)
    except re.error as error:
        return usage.fail(f"history: --filter '{text}' is not a regular expression: {error}")


def _options():
    made = usage.parser("history", "Results over time: one line a row, change points marked (exact for counts, by "
                        "Pettitt's test for times).")
    made.add_argument("places", nargs="*", metavar="FILE|DIR", default=[],
                      help="result files and folders of them (default: out/history, where x bench keeps its own)")
    made.add_argument("--filter", type=_pattern, default="", metavar="RE", help="only rows whose name RE finds")
    made.add_argument("--changed", action="store_true", help="only rows with a change point")
    made.add_argument("--out", default=DEFAULT_OUT, metavar="DIR",
                      help="where index.html, history.md and history.json go (default: out/history/report)")
    return made


# ---- text ----


def trend(found, fancy):
    """A bar a run, a mark before each change point; the newest _TREND runs."""
    bars, values = _BARS[fancy], found.values
    low, high = min(values), max(values)
    if found.mode == "time":
        # noise of a few per cent is to look like it
        low, high = min(low, 0.9 * stats.median(values)), max(high, 1.1 * stats.median(values))
    marks = {change.index for change in found.changes}
    text = ""
    for index in range(max(0, len(values) - _TREND), len(values)):
        height = 3 if high == low else int((values[index] - low) / (high - low) * (len(bars) - 1) + 0.5)
        text += (_MARK[fancy] if index in marks else "") + bars[height]
    return text


def reasons():
    """{(row and machine, new count): why it was accepted}"""
    doc = baseline.load()
    return {(name, after): entry["reason"] for entry in (doc["history"] if doc else ())
            for name, (_, after) in entry.get("changed", {}).items()}


def _change_text(found, change, why):
    show = table.number if found.mode != "time" else table.nanoseconds
    point = found.points[change.index]
    text = f"{point.date[:10]} {point.commit}: {change.word} {verdicts.percent(change.share)}"
    text += f" ({show(change.old)} -> {show(change.new)}"
    text += f", p {change.p:.3f})" if change.p is not None else ")"
    reason = why.get((baseline.row_key(found.name, found.machine[2]), change.new))
    return text + (f", accepted: {reason}" if reason else "")


HEADER = ["benchmark", "runs", "first", "last", "change", "trend", "change points"]


def cells(found, why, fancy):
    """The line of a row."""
    show = table.number if found.mode != "time" else table.nanoseconds
    first, last = found.values[0], found.values[-1]
    share = verdicts.percent(last / first - 1) if first else ""
    return [found.name, str(len(found.points)), show(first), show(last), share if last != first else "none",
            trend(found, fancy), "; ".join(_change_text(found, change, why) for change in found.changes)]


def title(machine):
    guest, mode, cpus, variant, host = machine
    unit = {"count": "instructions per operation, exact", "time": "wall time per operation"}.get(mode, mode)
    where = f" on {host}" if host else ""
    return f"{guest}, {mode} mode, {cpus} CPU{'s' if cpus > 1 else ''}, {variant}{where}: {unit}; lower is better"


def by_machine(all_series):
    groups = {}
    for found in all_series:
        groups.setdefault(found.machine, []).append(found)
    return groups


def markdown(groups, why):
    lines = []
    for machine, group in groups.items():
        lines += [f"### {title(machine)}", "", f"| {' | '.join(HEADER)} |", "|---|--:|--:|--:|--:|---|---|"]
        lines += [f"| {' | '.join(cell.replace('|', '/') for cell in cells(found, why, True))} |" for found in group]
        lines.append("")
    return "\n".join(lines)


def document(all_series):
    """The same for programs."""
    keys = ("guest", "mode", "cpus", "variant", "host")
    return {"series": [
        {"name": s.name, **dict(zip(keys, s.machine)),
         "points": [{"date": p.date, "commit": p.commit, "value": p.value} for p in s.points],
         "changes": [{"date": s.points[c.index].date, "commit": s.points[c.index].commit, "index": c.index, "old": c.old,
                      "new": c.new, "word": c.word, **({"p": c.p} if c.p is not None else {})} for c in s.changes]}
        for s in all_series]}


# ---- the verb ----


def _load(args):
    """(results, problems): what the user names must be readable; a bad file among the kept ones is told."""
    for place in args.places:
        if not os.path.exists(place):
            usage.fail(f"history: {place}: no such file or folder")
    loaded, problems = history_kept.load(args.places or [history_kept.FOLDER])
    if problems and args.places:
        usage.fail(f"history: {problems[0]}")
    return loaded, problems


def _write(out, groups, all_series, why):
    os.makedirs(out, exist_ok=True)
    results.write(os.path.join(out, "history.json"), document(all_series))
    with open(os.path.join(out, "history.md"), "w", encoding="utf-8") as target:
        target.write(markdown(groups, why))
    return history_page.write(out, [(title(machine), HEADER, [cells(s, why, True) for s in group], group)
                                    for machine, group in groups.items()])


def _tell(groups, why):
    fancy = "utf" in (sys.stdout.encoding or "").lower()
    for machine, group in groups.items():
        print(title(machine) + "\n")
        print("\n".join(table.layout(HEADER, [cells(found, why, fancy) for found in group])) + "\n")


def history(argv):
    args = _options().parse_args(argv)
    loaded, problems = _load(args)
    wanted = re.compile(args.filter)
    all_series = history_changes.series(loaded, wanted.search)
    for problem in problems:
        sys.stderr.write(f"x history: left out: {problem}\n")
    if args.changed and all_series and not any(found.changes for found in all_series):
        print(f"no change point in {len(all_series)} row{'s' if len(all_series) > 1 else ''}")
        return 1 if problems else 0
    all_series = [found for found in all_series if found.changes or not args.changed]
    if not all_series:
        what = "no row matches" if loaded else "nothing is kept yet: ./x bench keeps its results in out/history"
        sys.stderr.write(f"x history: {what}\n")
        return 1
    groups, why = by_machine(all_series), reasons()
    _tell(groups, why)
    setup.need("bench")
    try:
        print(f"history: {_write(os.path.abspath(args.out), groups, all_series, why)}")
    except (plots.PlotError, OSError) as error:
        problems.append(f"no page: {error}")
        sys.stderr.write(f"x history: {problems[-1]}\n")
    return 1 if problems else 0


def main(argv):
    """The verb of x."""
    return history(argv)
