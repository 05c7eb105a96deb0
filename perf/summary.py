"""Verdicts as a person reads them: tables on the terminal, and Markdown for the summary page of a CI run."""

import os

from perf import table, verdicts

HEADER = ["benchmark", "old", "new", "change", "sees from", "p", "verdict"]
# GitHub Actions: the file whose Markdown is shown on the page of the run.
CI_SUMMARY = "GITHUB_STEP_SUMMARY"


def option(made):
    """The --markdown option of a verb."""
    made.add_argument("--markdown", metavar="FILE", default=os.environ.get(CI_SUMMARY, ""),
                      help=f"append the tables as Markdown (default: the file that ${CI_SUMMARY} names, if it does)")


def cells(verdict, mode):
    show = table.nanoseconds if mode == "time" else table.number
    p = "" if verdict.p is None else f"{verdict.p:.3f}"
    floor = "" if verdict.floor is None else f"{100 * verdict.floor:.1f} %"
    word = verdict.word + (f" ({verdict.why})" if verdict.why else "")
    return [verdict.name, show(verdict.old), show(verdict.new), verdicts.percent(verdict.change), floor, p, word]


def _columns(rows):
    """Without the columns that say nothing."""
    used = [i for i in range(len(HEADER)) if i in (0, len(HEADER) - 1) or any(row[i] for row in rows)]
    return [HEADER[i] for i in used], [[row[i] for i in used] for row in rows]


def lines(found, mode):
    """A table of the terminal."""
    if not found:
        return []
    return table.layout(*_columns([cells(v, mode) for v in found]))


def markdown(path, title, found, mode, note=""):
    """Appends a section: what changed first, the rest folded away."""
    changed = [v for v in found if v.word != verdicts.SAME]
    same = [v for v in found if v.word == verdicts.SAME]
    with open(path, "a", encoding="utf-8") as out:
        out.write(f"### {title}: {verdicts.summary(found)}\n\n{note}\n\n".replace("\n\n\n", "\n"))
        out.write(_markdown_table(changed, mode))
        if same:
            out.write(f"<details><summary>{len(same)} rows: no change</summary>\n\n{_markdown_table(same, mode)}</details>\n\n")


def _markdown_table(found, mode):
    if not found:
        return ""
    header, rows = _columns([cells(v, mode) for v in found])
    marks = ["---"] + ["--:"] * (len(header) - 2) + ["---"]
    text = [f"| {' | '.join(header)} |", f"|{'|'.join(marks)}|"]
    return "\n".join(text + [f"| {' | '.join(row)} |" for row in rows]) + "\n\n"
