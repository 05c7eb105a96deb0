"""The report: DIR/report/index.html, one page that needs nothing else, and the pictures as SVG and PNG beside it.

Order: what was found, then a card for each result file (table, pictures, how to reproduce it), then where the anchors
come from. Light, dark, phone and paper are the style sheet's business; no script runs.
"""

import html
import os
import shutil

from perf import plots, reference, stats, table

_STYLE = """
:root { color-scheme: light dark; --fg: #1b1f24; --bg: #fff; --card: #f6f8fa; --line: #d0d7de; --soft: #57606a; --link: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --fg: #e6edf3; --bg: #0d1117; --card: #161b22; --line: #30363d; --soft: #9198a1; --link: #56b4e9; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 66rem; font: 16px/1.5 "DejaVu Sans", system-ui, sans-serif; color: var(--fg); background: var(--bg); }
h1 { margin: .2em 0 0; } h2 { margin: 2.2em 0 .4em; border-bottom: 1px solid var(--line); } h3 { margin: 1.6em 0 .4em; }
a { color: var(--link); } .soft { color: var(--soft); } ul { padding-left: 1.2em; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; min-width: 100%; }
th, td { padding: .28em .7em; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { text-align: right; color: var(--soft); font-weight: 600; } th:first-child, td:first-child { text-align: left; font-family: "DejaVu Sans Mono", monospace; }
td:last-child, th:last-child { text-align: left; }
figure { margin: 1.2em 0; padding: .6em; background: var(--card); border: 1px solid var(--line); border-radius: 6px; break-inside: avoid; }
figure svg { width: 100%; height: auto; display: block; color: var(--fg); } figcaption { font-size: .85rem; color: var(--soft); }
pre { overflow-x: auto; padding: .7em; background: var(--card); border: 1px solid var(--line); border-radius: 6px; font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1em 1em; font-size: .88rem; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.alarm { border-left: 4px solid #d55e00; padding: .4em .8em; background: var(--card); }
@media print { body { max-width: none; font-size: 11px; } a { color: inherit; } }
"""

_ALARM = '<p class="alarm"><strong>{}</strong> {}</p>'


def _escape(value):
    return html.escape(str(value))


def _html_table(lines_header, rows):
    head = "".join(f"<th>{_escape(c)}</th>" for c in lines_header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n'


def _anchor_cell(anchor, name, mode, show):
    value = anchor.value(name, mode)
    if value is None:
        return table.DASH
    return f'<span title="{_escape(anchor.operation(name))}">{_escape(show(value))}</span>'


def _count_table(result, ref):
    header = ["benchmark", "instructions", "goal", "stretch"] + [a.label for a in ref.anchors] + ["Linux/own", "verdict"]
    rows = []
    for name in result.rows:
        target, value = ref.target(name), result.value(name)
        rows.append(
            [_escape(name), f"<strong>{table.number(value)}</strong>"]
            + [table.number(target and target.goal), table.number(target and target.stretch)]
            + [_anchor_cell(a, name, "count", table.number) for a in ref.anchors]
            + [table.ratio(ref, result, name)]
            + [_escape(reference.verdict(value, target))])
    return _html_table(header, rows)


def _time_table(result, ref):
    timed = [a for a in ref.anchors if any("ns" in row for row in a.rows.values())]
    header = ["benchmark", "median", "p90", "p99", "worst"] + [a.label for a in timed] + ["against " + a.label for a in timed]
    rows = []
    for name in result.rows:
        if "/threads:" in name:
            continue
        value = result.value(name)
        tail = [table.nanoseconds(result.counter(name, c)) for c in ("p90_ns", "p99_ns", "max_ns")]
        others = [a.value(name, "time") for a in timed]
        rows.append(
            [_escape(name), f"<strong>{table.nanoseconds(value)}</strong>"] + tail
            + [_anchor_cell(a, name, "time", table.nanoseconds) for a in timed]
            + [f"{o / value:.1f}x as fast" if o else "" for o in others])
    return _html_table(header, rows) if rows else ""


def _scaling_table(result, ref):
    lines = table.scaling_table(result, ref, int(result.context.get("host_cpus", "1")))
    return f"<pre>{_escape(chr(10).join(lines))}</pre>" if lines else ""


def _configuration(context):
    told = ["date", "kernel_commit", "variant", "mode", "cpus", "compiler", "qemu_version", "host_name", "host_cpus"]
    items = "".join(f"<dt>{_escape(k.replace('_', ' '))}</dt><dd>{_escape(context[k])}</dd>" for k in told if k in context)
    return f"<dl>{items}</dl><pre>{_escape(context['qemu_command'])}</pre>"


def _reproduce(result):
    variant = "" if result.context["variant"] == "release" else f" --variant {result.context['variant']}"
    return f"./x bench --mode {result.mode} --cpus {result.cpus}{variant}"


def _figures(pictures):
    return "".join(
        f'<figure id="{p.name}">{p.svg}<figcaption>{_escape(p.caption)} '
        f'(<a href="{p.name}.svg">SVG</a>, <a href="{p.name}.png">PNG</a>)</figcaption></figure>\n' for p in pictures)


def _title(result):
    what = "exact instruction counts" if result.mode == "count" else "wall time"
    return f"{result.guest.capitalize()}, {what}, {result.cpus} CPU{'s' if result.cpus > 1 else ''}"


def _notices(context):
    text = ""
    if context["complete"] != "true":
        text += _ALARM.format("Incomplete:", _escape(context.get("incomplete_reason", "")))
    if table.busy_host(context):
        text += _ALARM.format("Warning:", _escape(table.busy_host(context)))
    for what in ("failed", "skipped"):
        for row in context.get(what, []):
            text += _ALARM.format(_escape(f"{row['name']} {what}:"), _escape(row["reason"]))
    return text


def _card(result, ref, folder):
    pictures = plots.draw_all(folder, result, ref)
    text = f'<h2 id="{result.mode}{result.cpus}">{_escape(_title(result))}</h2>\n' + _notices(result.context)
    if result.mode == "count":
        text += "<p class=soft>Instructions per operation, user stub and loop included; fewer is better. Every run gives the same numbers.</p>"
        text += _count_table(result, ref)
    else:
        text += "<p class=soft>Nanoseconds on this host; less is better. Use them for shape and scaling: one host, one boot.</p>"
        text += _time_table(result, ref) + _scaling_table(result, ref)
    for family, drawn in pictures.items():
        text += f"<h3>{_escape(family)}</h3>\n" + _figures(drawn)
    text += f"<details><summary>Configuration, and how to reproduce it</summary><pre>{_escape(_reproduce(result))}</pre>"
    return text + _configuration(result.context) + "</details>\n"


# ---- summary ----


def _against(result, anchor):
    """Ratios anchor/ours over the rows that both have."""
    pairs = [(anchor.value(name, result.mode), result.value(name)) for name in result.rows]
    return [other / own for other, own in pairs if other and own]


def _summary_lines(loaded, ref):
    counted = [(r, name) for r in loaded if r.mode == "count" for name in r.rows if ref.target(name)]
    if counted:
        met = [name for r, name in counted if r.value(name) <= ref.target(name).goal]
        missed = [(r.value(name) / ref.target(name).goal, name) for r, name in counted if name not in met]
        yield f"{len(met)} of {len(counted)} rows with a target are at or under their goal."
        if missed:
            ratio, worst = max(missed)
            yield f"Furthest from its goal: {worst}, {ratio:.2f} times."
    for mode, unit in (("count", "instructions"), ("time", "wall time")):
        for anchor in ref.anchors:
            ratios = [q for r in loaded if r.mode == mode for q in _against(r, anchor)]
            if ratios:
                fewer = sum(q > 1 for q in ratios)
                yield (f"{unit.capitalize()} against {anchor.label}: {fewer} of {len(ratios)} rows take less; geometric "
                       f"mean of the ratios {stats.geometric_mean(ratios):.2f} (above 1: Pluot takes less).")


def _sources(ref):
    text = '<h2 id="anchors">Where the anchors come from</h2>\n'
    for anchor in ref.anchors:
        items = "".join(f"<dt>{_escape(k)}</dt><dd>{_escape(v)}</dd>" for k, v in anchor.source.items())
        rows = [[_escape(name), table.number(row.get("instructions")), table.nanoseconds(row.get("ns")), _escape(row["operation"])]
                for name, row in anchor.rows.items()]
        text += f"<h3>{_escape(anchor.label)}</h3><dl>{items}</dl><details><summary>Rows</summary>"
        text += _html_table(["stands beside", "instructions", "time", "what was run"], rows) + "</details>\n"
    return text


def page(loaded, ref, folder):
    """The whole page as text; draws the pictures into `folder`."""
    cards = "".join(_card(result, ref, folder) for result in loaded)
    overview = plots.overview(folder, loaded, ref)
    summary = "".join(f"<li>{_escape(line)}</li>" for line in _summary_lines(loaded, ref))
    links = " · ".join(f'<a href="#{r.mode}{r.cpus}">{_escape(_title(r))}</a>' for r in loaded)
    about = f"kernel {loaded[0].context['kernel_commit']}, {loaded[0].context['variant']}, {loaded[0].context['date']}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Pluot benchmarks</title><style>{_STYLE}</style></head><body>\n<h1>Pluot benchmarks</h1>\n"
        f'<p class="soft">{_escape(about)}</p><p>{links} · <a href="#anchors">anchors</a></p>\n<ul>{summary}</ul>\n'
        f"{_figures([overview] if overview else [])}{cards}{_sources(ref)}</body></html>\n")


def write(out, loaded, ref):
    """Writes out/report anew and returns the page's path."""
    ref = reference.measured(ref, loaded)
    folder = os.path.join(out, "report")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    path = os.path.join(folder, "index.html")
    with open(path, "w", encoding="utf-8") as target:
        target.write(page(loaded, ref, folder))
    return path
