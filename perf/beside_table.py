"""The ratio table of perf/beside.py: on the terminal, and as Markdown."""

from perf import beside, table

FILE = "linux.md"

_UNIT = {"count": "instructions per operation", "time": "wall time per operation, median"}
_SHOW = {"count": table.number, "time": table.nanoseconds}


def _times(ratio):
    return table.DASH if ratio is None else f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"


def _name(pair, comparison):
    """With the size of the machine where a row was measured on several."""
    sizes = {p.cpus for p in comparison.pairs if p.name == pair.name}
    return f"{pair.name} on {pair.cpus} CPUs" if len(sizes) > 1 else pair.name


def _by(pair):
    """The row of Linux, where it is not the namesake."""
    return "" if pair.way.name in ("", pair.name) else pair.way.name


def _cells(comparison):
    show = _SHOW[comparison.mode]
    return [[_name(p, comparison), show(p.own), show(p.way.lean), show(p.way.default), _times(p.ratio),
             _times(p.ratio_default), p.words, _by(p)] for p in comparison.pairs if p.ways]


_HEADER = ["benchmark", "Pluot", "Linux lean", "default", "lean/Pluot", "default/Pluot", "in words", "Linux's row"]


def _several(comparison):
    """Every way of the rows that have several, cheapest first: (pair, [way])"""
    seen = {}
    for pair in comparison.pairs:
        if len(pair.ways) > 1:
            seen.setdefault(tuple(w.name for w in pair.ways), (pair, list(pair.ways)))
    return list(seen.values())


def _summary(comparison):
    found = comparison.compared
    if not found:
        return "no row was measured on both"
    fewer = sum(1 for pair in found if pair.words == "Pluot takes less")
    return (f"{fewer} of {len(found)} rows take less on Pluot; geometric mean: Linux lean takes "
            f"{comparison.mean_ratio:.1f} times as much")


def _missing(comparison):
    lines = []
    if comparison.only_own:
        lines.append("not on Linux: " + ", ".join(_name(p, comparison) for p in comparison.only_own))
    if comparison.only_linux:
        show = _SHOW[comparison.mode]
        lines.append("only on Linux: " + ", ".join(
            f"{way.name} {show(way.lean)} / {show(way.default)}" for way, _cpus in comparison.only_linux))
    return lines


def _kernels(comparison):
    lines = []
    for guest, label in ((beside.OWN, "Pluot"), (beside.LEAN, "Linux lean"), (beside.DEFAULT, "Linux default")):
        context = comparison.contexts.get(guest)
        if context:
            state = "" if context["complete"] == "true" else ", INCOMPLETE: " + context.get("incomplete_reason", "")
            lines.append(f"{label}: {context['kernel_commit']}, {context['variant']}, {context['date']}{state}")
    return lines


def render(comparison):
    """Lines for the terminal."""
    lines = [f"Pluot beside Linux, {comparison.mode} mode: {_UNIT[comparison.mode]}, less is better"]
    lines += _kernels(comparison) + [_summary(comparison), ""]
    cells = _cells(comparison)
    if cells:
        lines += table.layout(_HEADER, cells) + [""]
    show = _SHOW[comparison.mode]
    ways = [[way.name, show(way.lean), show(way.default), _times(way.lean / pair.own if way.lean and pair.own else None),
             pair.name if at == 0 else ""]
            for pair, several in _several(comparison) for at, way in enumerate(several)]
    if ways:
        lines += table.layout(["all of Linux's ways", "lean", "default", "lean/Pluot", "to"], ways) + [""]
    return lines + _missing(comparison)


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def _grid(header, rows):
    return [_row(header), _row(["---"] + ["---:"] * (len(header) - 1))] + [_row(row) for row in rows]


def _markdown_one(comparison):
    show = _SHOW[comparison.mode]
    lines = [f"## {comparison.mode.capitalize()} mode: {_UNIT[comparison.mode]}", ""]
    lines += [f"* {line}" for line in _kernels(comparison)] + ["", _summary(comparison) + ".", ""]
    lines += _grid(_HEADER, _cells(comparison)) + [""]
    for pair, ways in _several(comparison):
        lines += [f"Linux's ways to {pair.name}:", ""]
        lines += _grid(["Linux's row", "lean", "default", "lean/Pluot"],
                       [[w.name, show(w.lean), show(w.default), _times(w.lean / pair.own if w.lean and pair.own else None)]
                        for w in ways]) + [""]
    notes = [(pair.name, pair.note) for pair in comparison.pairs if pair.note and pair.ways]
    lines += [f"* {name}: {note}" for name, note in dict(notes).items()]
    return lines + [""] + [f"* {line}" for line in _missing(comparison)] + [""]


def markdown(comparisons):
    """The whole file: what docs/linux.md explains, with the figures of one folder."""
    lines = ["# Pluot beside Linux on the same machine", "",
             "Ratios above 1 say how many times as much Linux takes. docs/linux.md says what is compared.", ""]
    for comparison in comparisons:
        lines += _markdown_one(comparison)
    for guest, label in ((beside.LEAN, "lean"), (beside.DEFAULT, "default")):
        context = next((c.contexts[guest] for c in comparisons if guest in c.contexts), None)
        if context:
            lines += [f"Linux {label}:", "", "```", context["qemu_command"], "```", ""]
    return "\n".join(lines)
