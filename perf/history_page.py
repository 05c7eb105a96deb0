"""The page of x history: OUT/index.html, a section for each kind of machine, pictures by family and a line for each row."""

import os

from perf import plots, plots_gnuplot, report, report_tables

Cell, Table = report_tables.Cell, report_tables.Table
_MOST_TICKS = 8


def _runs(group):
    """[(date, commit)] of all runs of a group, oldest first."""
    return sorted({(point.date, point.commit) for found in group for point in found.points})


def _curve(found, at):
    first = found.values[0]
    return plots.Curve(found.name, [(at[p.date, p.commit], p.value / first) for p in found.points])


def _picture(stem, title, group, runs):
    """Rows of a family relative to their first run; rows that never moved would hide the others and are left out."""
    at = {run: number for number, run in enumerate(runs, 1)}
    moved = [found for found in group if found.values[0] and len(set(found.values)) > 1]
    if not moved or len(runs) < 2:
        return None
    step = -(-len(runs) // _MOST_TICKS)
    shown = {number: commit[:7] for (_, commit), number in at.items()}
    axes = plots.Axes("run, by revision, oldest to the left", "first run = 1, log (lower is better)",
                      lambda number: shown.get(number, ""), lambda v: f"{v:.3g}x", False, True,
                      tuple(range(1, len(runs) + 1, step)))
    rings = [(at[p.date, p.commit], p.value / found.values[0]) for found in moved for p in
             (found.points[change.index] for change in found.changes)]
    return plots.curves(stem, title, "Rings: change points. Rows that never moved are not drawn.",
                        [_curve(found, at) for found in moved], axes, rings=rings)


def _card(number, title, header, lines, group):
    runs, families = _runs(group), {}
    for found in group:
        families.setdefault(found.name.split("/")[0], []).append(found)
    made = report.Card(f"machine{number}", title.split(":")[0], title.split(": ")[-1] + ".")
    pictures = [_picture(f"history-{number}-{family}", f"{family}: over {len(runs)} runs", part, runs)
                for family, part in families.items()]
    made.pictures = [picture for picture in pictures if picture]
    made.tables = [Table(header, [[Cell(text, code=i == 0) for i, text in enumerate(line)] for line in lines])]
    return made


def write(out, groups):
    """`groups`: [(title, header, cells of each row, series of each row)]; returns the page's path."""
    cards = [_card(number, *group) for number, group in enumerate(groups, 1)]
    dates = [run[0] for _, _, _, group in groups for run in _runs(group)]
    about = f"{min(dates)[:10]} to {max(dates)[:10]}"
    path = os.path.join(out, "index.html")
    drawn = iter(plots.draw([sketch for card in cards for sketch in card.pictures]))
    for card in cards:
        card.pictures = [next(drawn) for _ in card.pictures]
    text = report.template("history.html").render(cards=cards, about=about, plot_style=plots_gnuplot.dark_style())
    with open(path, "w", encoding="utf-8") as target:
        target.write(text)
    plots.save(out, [p for card in cards for p in card.pictures])
    return path
