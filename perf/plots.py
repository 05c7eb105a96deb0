"""Pictures of results: what is drawn. How is plots_gnuplot.py's business.

Every axis has a unit and says which way is better. Rows of a benchmark family stand under each other on one logarithmic
axis, each system a mark of its own shape; figures that matter are written beside their mark, the others are tooltips.
Functions give a Sketch, or None when there is nothing to draw; draw() makes pictures of many at once.
"""

import re
from dataclasses import dataclass

from perf import plots_gnuplot as engine
from perf import reference, report_rows, table

PlotError, Sketch = engine.PlotError, engine.Sketch
draw, save = engine.draw, engine.save
# colour, gnuplot's point type and size of each system's mark; our own comes first and is the only disc
SYSTEMS = {"own": (engine.BLUE, 7, .8), "linux": (engine.ORANGE, 5, .75), "linuxdefault": (engine.YELLOW, 13, .95),
           "sel4": (engine.GREEN, 9, .9)}
_OTHER_SYSTEM = (engine.PURPLE, 11, .9)
SHOW = {"count": table.number, "time": table.nanoseconds}
_AXIS = {"count": "instructions per operation, logarithmic (further left is better)",
         "time": "wall time per operation, logarithmic (further left is better)"}


def _marked(style):
    colour, kind, size = style
    return f'pt {kind} ps {size} lc rgb "{colour}"'


# ---- rows of one family on one axis ----


@dataclass(frozen=True)
class DotRow:
    """`points`: {system: value}; `goal` and `spread` (quantiles of our own figure, {counter: value}) where known."""

    label: str
    points: dict
    goal: float = None
    spread: dict = None

    def values(self):
        extra = [self.goal] if self.goal else []
        return [v for v in (*self.points.values(), *extra, *(self.spread or {}).values()) if v > 0]


def _system(key):
    return SYSTEMS.get(key, _OTHER_SYSTEM)


# pixels that a number takes beside its mark
_NUMBER = 62


def _sides(row, x_of):
    """{system: "left", "right" or "above"}: where each mark's number stands so that it runs into no other."""
    order = sorted(row.points, key=lambda key: row.points[key])
    goal = x_of(row.goal) if row.goal else None
    first, end = x_of(row.points[order[0]]), x_of(row.points[order[-1]])
    if len(order) == 1:
        return {order[0]: "above" if goal and 0 <= goal - first < _NUMBER else "right"}
    sides = {order[0]: "above" if goal and 0 <= first - goal < _NUMBER else "left",
             order[-1]: "above" if goal and 0 <= goal - end < _NUMBER and end - first > _NUMBER else "right"}
    last = first if sides[order[0]] == "above" else None
    for key in order[1:-1]:
        x = x_of(row.points[key])
        if last is None or x - last > _NUMBER:
            sides[key], last = "above", x
    return sides


# quantiles as boxes (from, to, half height, opacity) and as marks (counter, point type, what it is)
_BOXES = (("p5_ns", "p95_ns", .12, .25, "5-95 %"), ("p25_ns", "p75_ns", .2, .45, "25-75 %"))
_TAIL = (("p99_ns", "|", "99 %"), ("p99.9_ns", 2, "99.9 %"), ("max_ns", 6, "worst"))


def _has(rows, counter):
    return any(counter in (row.spread or {}) for row in rows)


def _spreads(script, rows):
    """The distribution of our own figure: boxes for the body, marks for the tail."""
    for low, high, half, solid, said in _BOXES:
        known = [(y, r) for y, r in rows if r.spread and low in r.spread and high in r.spread]
        script.plot([(r.spread[low], y, r.spread[low], r.spread[high], y - half, y + half) for y, r in known],
                    f'using 1:2:3:4:5:6 with boxxyerror fs transparent solid {solid} noborder fc rgb "{engine.BLUE}" notitle')
    for counter, kind, said in _TAIL:
        known = [(r.spread[counter], y, f"{r.label}, {said}: {table.nanoseconds(r.spread[counter])}")
                 for y, r in rows if r.spread and counter in r.spread]
        if kind == "|":
            script.plot([(x, y - .16, 0, .32) for x, y, _ in known],
                        f'using 1:2:3:4 with vectors nohead lw 2 lc rgb "{engine.BLUE}" notitle')
        else:
            script.plot(known, f'using 1:2:3 with labels hypertext point pt {kind} ps .7 lw 1.6 lc rgb "{engine.BLUE}" notitle')


def _key(label, style, kind="point", dash=1):
    colour, mark, size = style
    return engine.Key(label, kind, colour, mark if size else 0, size, dash)


def _dot_keys(rows, labels):
    """The legend of what these rows have."""
    keys = [_key(labels[key], _system(key)) for key in labels if any(key in row.points for row in rows)]
    if any(row.goal for row in rows):
        keys.append(engine.Key("goal", "bar", engine.INK))
    keys += [engine.Key(said, "box", engine.BLUE, solid=solid) for low, _, _, solid, said in _BOXES if _has(rows, low)]
    return keys + [engine.Key(said, "bar" if kind == "|" else "point", engine.BLUE, 0 if kind == "|" else kind)
                   for counter, kind, said in _TAIL if _has(rows, counter)]


def _numbers(script, rows, across, show):
    """The numbers beside the marks; our own in bold. In the narrow form a row's name stands above its marks."""
    above = "center offset char 0,-1.05" if script.narrow else "center offset char 0,.85"
    places = {"left": "right offset char -1.1,0", "right": "left offset char 1.1,0", "above": above}
    found = {}
    for y, row in rows:
        sides = {"own": "above"} if row.spread else _sides(row, across.at)
        for key, side in sides.items():
            found.setdefault((side, key == "own"), []).append((row.points[key], y, show(row.points[key])))
    for (side, own), points in found.items():
        font = f"{engine.MONO}:Bold,11" if own else f"{engine.MONO},11"
        script.plot(points, f'using 1:2:3 with labels {places[side]} font "{font}" textcolor rgb "{engine.INK}" notitle')


def _row_names(script, rows, left):
    if script.narrow:
        for y, row in rows:
            script.set(f'set label {engine.text(row.label)} at screen {14 / script.width:.5f}, first {y + .36:.3f} left '
                       f'font "{engine.MONO},12" textcolor rgb "{engine.INK}"')
        script.set("unset ytics")
    else:
        names = ", ".join(f"{engine.text(row.label)} {y}" for y, row in rows)
        script.set(f'set ytics nomirror scale 0 font "{engine.MONO},12" textcolor rgb "{engine.INK}" ({names})')


def _left(width, labels):
    return 14 if width < 600 else 26 + engine.MONO_LETTER * max(map(len, labels))


def _dots_script(width, title, rows, labels, show, axis):
    script = engine.Script(width)
    keys = _dot_keys([row for _, row in rows], labels)
    left, right = _left(width, [row.label for _, row in rows]), 14
    top, bottom = engine.legend_bottom(width, keys), 58 + 15 * script.narrow
    script.height = top + (50 if script.narrow else 34) * len(rows) + bottom
    across = engine.log_range([v for _, row in rows for v in row.values()], width - left - right, 66, 74)
    script.frame(left, right, top, bottom)
    script.title(title)
    script.legend(keys)
    script.set(*across.settings("x"), f"set yrange [{-len(rows) + .42}:{.58}]")
    script.ticks("x", across.ticks(62 if script.narrow else 80), show)
    script.x_label(axis, across.pixels)
    _row_names(script, rows, left)
    gaps = [(min(r.points.values()), y, max(r.points.values()) - min(r.points.values()), 0) for y, r in rows if len(r.points) > 1]
    script.plot(gaps, f'using 1:2:3:4 with vectors nohead dt 3 lw 1 lc rgb "{engine.GREY}" notitle')
    _spreads(script, rows)
    script.plot([(row.goal, y - .22, 0, .44) for y, row in rows if row.goal],
                f'using 1:2:3:4 with vectors nohead lw 3 lc rgb "{engine.INK}" notitle')
    for key, label in labels.items():
        script.plot([(row.points[key], y, f"{row.label}, {label}: {show(row.points[key])}") for y, row in rows if key in row.points],
                    f"using 1:2:3 with labels hypertext point {_marked(_system(key))} notitle")
    _numbers(script, rows, across, show)
    return script


def dots(name, title, caption, rows, labels, mode):
    """Rows on one logarithmic axis. `labels`: {system: its name}, in the legend's order."""
    placed = [(-float(index), row) for index, row in enumerate(rows)]
    return Sketch(name, title, caption, lambda width: _dots_script(width, title, placed, labels, SHOW[mode], _AXIS[mode]))


# ---- ratios: who takes how many times as much ----


def _ratios_script(width, title, rows, axis):
    script = engine.Script(width)
    left, right = _left(width, [label for label, _ in rows]), 14
    top, bottom = 44, 58 + 15 * script.narrow
    script.height = top + (34 if script.narrow else 21) * len(rows) + bottom
    across = engine.log_range([v for _, v in rows] + [1], width - left - right, 14, 64)
    script.frame(left, right, top, bottom)
    script.title(title)
    script.set(*across.settings("x"), f"set yrange [{-len(rows) + .4}:{.6}]", "unset key",
               f'set arrow from 1, graph 0 to 1, graph 1 nohead lw 1 lc rgb "{engine.SOFT}"')
    script.ticks("x", across.ticks(), lambda v: f"{v:g}x")
    script.x_label(axis, across.pixels)
    placed = [(-float(index), DotRow(label, {"own": value})) for index, (label, value) in enumerate(rows)]
    _row_names(script, placed, left)
    half = .16 if script.narrow else .27
    for colour, wanted in ((engine.BLUE, True), (engine.ORANGE, False)):
        found = [(y, row.points["own"]) for y, row in placed if (row.points["own"] >= 1) == wanted]
        script.plot([(v, y, min(v, 1), max(v, 1), y - half, y + half) for y, v in found],
                    f'using 1:2:3:4:5:6 with boxxyerror fs solid 1 noborder fc rgb "{colour}" notitle')
        script.plot([(max(v, 1), y, f"{v:.2f}x") for y, v in found],
                    f'using 1:2:3 with labels left offset char .7,0 font "{engine.MONO}:Bold,11" textcolor rgb "{engine.INK}" notitle')
    return script


def ratios(name, title, caption, rows, axis):
    """[(row, other/own)]: bars that start at 1x, where both take as much."""
    return Sketch(name, title, caption, lambda width: _ratios_script(width, title, rows, axis))


# ---- curves ----


@dataclass(frozen=True)
class Curve:
    """`points`: [(x, y)]; `style`: (colour, point type, size), or None for the next of the cycle; size 0: a line alone."""

    label: str
    points: list
    style: tuple = None


@dataclass(frozen=True)
class Axes:
    """`ticks_x`: where the x axis has ticks, if not at round numbers; `ticks_y` where logarithmic."""

    x_label: str
    y_label: str
    show_x: object
    show_y: object
    log_x: bool = False
    log_y: bool = False
    ticks_x: tuple = ()


def _styled(lines):
    """[(curve, (colour, point type, size), dash)]: beyond the palette, lines are dashed."""
    made = []
    for index, curve in enumerate(lines):
        colour, kind = engine.CYCLE[index % len(engine.CYCLE)]
        colour, kind, size = curve.style or (colour, kind, .7)
        made.append((curve, (colour, kind, size), 1 + index // len(engine.CYCLE) if size else 2))
    return made


def _curve_axes(script, lines, axes, wide, tall):
    xs, ys = [x for c in lines for x, _ in c.points], [y for c in lines for _, y in c.points]
    if axes.log_x:
        script.set(*engine.log_range(xs, wide).settings("x"))
    else:
        script.set(f"set xrange [{min(xs) - .2}:{max(xs) + .2}]")
    script.ticks("x", axes.ticks_x or sorted(set(xs)), axes.show_x)
    if axes.log_y:
        up = engine.log_range(ys, tall, widest=1.5)
        script.set(*up.settings("y"))
        script.ticks("y", up.ticks(36), axes.show_y)
    else:
        script.set(f"set yrange [0:{max(ys) * 1.08}]", f'set ytics nomirror scale 0 textcolor rgb "{engine.SOFT}"')


def _curves_script(width, title, lines, axes, marks, rings):
    script = engine.Script(width)
    left, right = 84, 24
    styled = _styled(lines)
    keys = [_key(curve.label, style, "line", dash) for curve, style, dash in styled]
    keys += [engine.Key("change point", "point", engine.INK, 6, 1.2)] if rings else []
    tall = 260 if script.narrow else 330
    top, bottom = engine.legend_bottom(width, keys) + 6, 58 + 15 * script.narrow
    script.height = top + tall + bottom
    script.frame(left, right, top, bottom)
    script.title(title)
    script.legend(keys)
    script.set("set border 3", f'set grid ytics lt 1 lw 1 lc rgb "{engine.RULE}"')
    _curve_axes(script, lines, axes, width - left - right, tall)
    script.x_label(axes.x_label, width - left - right)
    script.set(f'set ylabel {engine.text(axes.y_label)} offset char .5,0 textcolor rgb "{engine.SOFT}"')
    for number, (low, high, said) in enumerate(marks, 1):
        script.set(f'set object {number} rect from {low},graph 0 to {high},graph 1 fc rgb "{engine.GREY}" fs transparent solid .15 noborder',
                   f'set label {engine.text(said)} at {low},graph .04 left offset char .5,0 textcolor rgb "{engine.SOFT}"')
    for curve, style, dash in styled:
        script.plot(curve.points, f'using 1:2 with lines lc rgb "{style[0]}" lw 2 dt {dash} notitle')
        if style[2]:
            told = [(x, y, f"{curve.label}: {axes.show_y(y)} at {axes.show_x(x) or x}") for x, y in curve.points]
            script.plot(told, f"using 1:2:3 with labels hypertext point {_marked(style)} notitle")
    script.plot(list(rings), f'using 1:2 with points pt 6 ps 1.4 lw 2 lc rgb "{engine.INK}" notitle')
    return script


def curves(name, title, caption, lines, axes, marks=(), rings=()):
    """Lines on common axes. `marks`: shaded ranges of x with their text; `rings`: points that stand out."""
    return Sketch(name, title, caption, lambda width: _curves_script(width, title, lines, axes, marks, rings))


# ---- a matrix of counts ----


def _matrix_script(width, title, names, matrix, note):
    script = engine.Script(width)
    left = 34 if script.narrow else _left(width, [name + " 00" for name in names])
    pitch = min(34, (width - left - 20) / len(names))
    top, bottom = 66, 34 + (16 * len(names) if script.narrow else 0)
    script.height = top + pitch * len(names) + bottom
    script.frame(left, width - left - pitch * len(names), top, bottom)
    script.title(title)
    size = len(names)
    labels = [str(i + 1) if script.narrow else f"{name} {i + 1}" for i, name in enumerate(names)]
    ticks = ", ".join(f"{engine.text(label)} {-i}" for i, label in enumerate(labels))
    script.set("set border 0", "unset grid", "unset key", f"set xrange [-.5:{size - .5}]", f"set yrange [{.5 - size}:.5]",
               f'set ytics nomirror scale 0 font "{engine.MONO},12" textcolor rgb "{engine.INK}" ({ticks})', "unset xtics",
               f'set label {engine.text(note)} at screen {14 / width:.5f}, screen {12 / script.height:.5f} left textcolor rgb "{engine.SOFT}"')
    for i, name in enumerate(names):
        script.set(f'set label "{i + 1}" at {i}, graph 1 center offset char 0,.8 textcolor rgb "{engine.SOFT}"')
        if script.narrow:
            script.set(f'set label {engine.text(f"{i + 1}  {name}")} at screen {14 / width:.5f}, screen '
                       f'{(bottom - 14 - 16 * i) / script.height:.5f} left font "{engine.MONO},11" textcolor rgb "{engine.INK}"')
    most = max([v for line in matrix for v in line if v] or [1])
    cells = [(j, -i, v) for i, line in enumerate(matrix) for j, v in enumerate(line) if v is not None]
    for level, colour in ((0, engine.GREY), (.25, engine.ORANGE), (.5, engine.ORANGE), (.75, engine.ORANGE)):
        found = [(x, y) for x, y, v in cells if (not v if not level else v and level <= .25 + .25 * min(2, int(3 * v / (most + 1))) < level + .25)]
        script.plot(found, f'using 1:2:($1-.46):($1+.46):($2-.46):($2+.46) with boxxyerror fs transparent solid {level or .12} noborder '
                           f'fc rgb "{colour}" notitle')
    script.plot([(x, y, str(v) if v else "0") for x, y, v in cells],
                f'using 1:2:3 with labels center font "{engine.MONO},11" textcolor rgb "{engine.INK}" notitle')
    return script


def matrix(name, title, caption, names, counts, note):
    """Counts of each row beside each row; `counts` holds None where nothing was measured. 0 is pale."""
    return Sketch(name, title, caption, lambda width: _matrix_script(width, title, names, counts, note))


# ---- what is drawn ----


def _labels(guest, ref):
    return {"own": guest.capitalize(), **{a.id: a.label for a in ref.anchors}}


def _points(entry, ref):
    points = {"own": entry.value}
    for anchor in ref.anchors:
        value = anchor.rows.get(entry.name, {}).get(reference.FIGURE.get(entry.mode))
        if value:
            points[anchor.id] = value
    return {key: value for key, value in points.items() if value and value > 0}


_QUANTILES = ("p5_ns", "p25_ns", "p75_ns", "p95_ns", "p99_ns", "p99.9_ns", "max_ns")


def _dot(entry, ref):
    target = ref.target(entry.name) if entry.mode == "count" else None
    known = {q: entry.counter(q) for q in _QUANTILES}
    spread = {q: v for q, v in known.items() if v} if entry.mode == "time" else {}
    return DotRow(entry.label, _points(entry, ref), target and target.goal, spread or None)


def family(guest, name, mode, entries, ref):
    """One family in one mode."""
    what = {"count": "instructions per operation", "time": "wall time per operation"}[mode]
    rows = [_dot(entry, ref) for entry in entries if entry.value > 0]
    caption = {"count": "One mark a system; the upright bar is the goal. What the others ran is said under Sources.",
               "time": "The disc is the median over batches; what lies to its right is the tail."}[mode]
    return dots(f"{guest}-{mode}-{name}", f"{name}: {what}", caption, rows, _labels(guest, ref), mode) if rows else None


_SIZED = re.compile(r"^ipc/rpc_inline/(\d+)$")
# no payload has no place on a logarithmic axis; it stands where 16 bytes would
_NO_BYTES = 16


def by_size(guest, mode, entries, ref):
    """Message round trips against their size, or None when there is only one size."""
    own = sorted((int(_SIZED.match(e.name).group(1)), e.value) for e in entries if _SIZED.match(e.name))
    if len(own) < 2:
        return None
    lines = [Curve(f"{guest.capitalize()}: mach_msg round trip", own, SYSTEMS["own"])]
    for anchor in ref.anchors:
        figure = reference.FIGURE[mode]
        points = [(p["bytes"], p[figure]) for p in anchor.by_size.get("points", []) if p.get(figure)]
        if len(points) > 1:
            lines.append(Curve(f"{anchor.label}: {anchor.by_size['operation']}", points, _system(anchor.id)))
    lines = [Curve(c.label, [(max(x, _NO_BYTES), y) for x, y in c.points], c.style) for c in lines]
    unit = {"count": "instructions", "time": "time"}[mode]
    axes = Axes("payload each way, bytes, logarithmic", f"{unit}, log (lower is better)",
                lambda b: "none" if b == _NO_BYTES else f"{b // 1024} Ki" if b >= 1024 else str(b), SHOW[mode], True, True,
                tuple(4 ** n for n in range(2, 10)))
    return curves(f"{guest}-{mode}-ipc-by-size", f"ipc: {unit} per round trip against message size",
                  "Headers are not part of the payload. A flat start is the fixed price of a round trip, the slope is copying.",
                  lines, axes)


_IN_MAP = re.compile(r"^vm/(fault|protect)_in_map/(\d+)$")
_IN_MAP_LABELS = {"fault": "first store to a page", "protect": "mprotect of a page, and back"}


def by_map_size(guest, mode, entries):
    """Faults and changes against the entries of the address space, or None without such rows."""
    points = {}
    for entry in entries:
        found = _IN_MAP.match(entry.name)
        if found:
            points.setdefault(found.group(1), []).append((int(found.group(2)), entry.value))
    lines = [Curve(_IN_MAP_LABELS[kind], sorted(row)) for kind, row in sorted(points.items()) if len(row) > 1]
    if not lines:
        return None
    unit = {"count": "instructions", "time": "time"}[mode]
    axes = Axes("entries of the map, logarithmic", f"{unit} (lower is better)",
                lambda n: f"{n // 1000} k" if n >= 1000 else str(n), SHOW[mode], True, False, (100, 1000, 10000, 100000))
    return curves(f"{guest}-{mode}-vm-by-map-size", f"vm: {unit} against the size of the address space",
                  "The index of a map is a tree of nodes with 64 slots: a curve may rise with the logarithm, not faster.",
                  lines, axes)


# quantile counters and where they stand on an axis that gives each further nine as much room as the one before
_QUANTILE_AT = (("min_ns", 0), ("p5_ns", .05), ("p25_ns", .25), ("p50_ns", .5), ("p75_ns", .75), ("p90_ns", 1.1),
                ("p95_ns", 1.4), ("p99_ns", 2), ("p99.9_ns", 3), ("max_ns", 3.6))
_QUANTILE_TICKS = {0: "best", .5: "median", 1.1: "90 %", 2: "99 %", 3: "99.9 %", 3.6: "worst"}


def distribution(guest, name, entries):
    """Quantiles of a family's rows relative to their median, or None without quantiles."""
    lines = []
    for entry in entries:
        points = [(at, entry.counter(q) / entry.value) for q, at in _QUANTILE_AT if entry.counter(q) and entry.value]
        if len(points) > 4:
            lines.append(Curve(entry.label, points))
    if not lines:
        return None
    axes = Axes("share of batches that took no longer", "time, median = 1, log (lower is better)",
                lambda at: _QUANTILE_TICKS.get(at, ""), lambda v: f"{v:g}x", False, True, tuple(_QUANTILE_TICKS))
    return curves(f"{guest}-time-{name}-distribution", f"{name}: distribution over batches",
                  "A flat curve is a steady row; where it rises, the tail begins.", lines, axes)


_KIND = re.compile(r"^wake/(\w+)/(\w+)$")
_LATENCY_COLOURS = (engine.BLUE, engine.ORANGE, engine.GREEN, engine.PURPLE)
# what stands below the picture of each kind of wake-up
_WOKEN = {"broadcast": "Eight threads of one CPU woken by one call; each counts from the call.",
          "spread": "Eight threads on all CPUs in turn woken by one call; each counts from the call.",
          "chain": "Eight threads of one CPU, each wakes the next.",
          "hop": "Eight threads, each wakes the next one, on another CPU.",
          "timer": "One thread that sleeps until a time: how late it runs."}


def quantile(entry, counter):
    """A quantile of an entry by its name in time mode ("p99_ns"), in the entry's own unit."""
    return entry.counter(counter if entry.mode == "time" else counter.replace("_ns", "_instructions"))


def _latency_points(entry):
    found = [(at, quantile(entry, counter)) for counter, at in _QUANTILE_AT if at >= .05]
    return [(at, value) for at, value in found if value]


def _latency_lines(guest, entries, others):
    """A line with marks for each row, then one broken and of the same colour for each row of the other system."""
    own, broken = [], []
    for colour, entry in zip(_LATENCY_COLOURS, entries):
        case = _KIND.match(entry.name).group(2).replace("_", ", ")
        own.append(Curve(f"{guest.capitalize()}, {case}", _latency_points(entry), (colour, 7, .7)))
        for other in others:
            if (other.name, other.cpus) == (entry.name, entry.cpus):
                broken.append(Curve(f"{other.result.guest.capitalize()}, {case}", _latency_points(other), (colour, 7, 0)))
    return [line for line in own + broken if line.points]


def latencies(guest, mode, entries, others):
    """A picture for each kind of wake-up: quantiles of its latency, absolute. `others`: entries of another guest."""
    kinds = {}
    for entry in entries:
        if _KIND.match(entry.name):
            kinds.setdefault((_KIND.match(entry.name).group(1), entry.cpus), []).append(entry)
    unit = {"count": "instructions", "time": "wall time"}[mode]
    axes = Axes("share of wake-ups that took no longer", f"{unit} from call to run, log (lower is better)",
                lambda at: _QUANTILE_TICKS.get(at, ""), SHOW[mode], False, True, tuple(q for q in _QUANTILE_TICKS if q))
    for (kind, cpus), found in kinds.items():
        lines = _latency_lines(guest, found, others)
        if lines:
            yield curves(f"{guest}-{mode}-wake-{kind}-cpus{cpus}", f"wake/{kind}: latency, {cpus} CPU{'s' if cpus > 1 else ''}",
                         _WOKEN.get(kind, ""), lines, axes)


def scaling(guest, entries, ref):
    """Throughput relative to one worker, with the ideal line."""
    found = {name: curve for name, curve in report_rows.scaling(entries).items() if 1 in curve and len(curve) > 1}
    if not found:
        return None
    top = max(max(curve) for curve in found.values())
    host = int(entries[0].result.context.get("host_cpus", "1"))
    lines = [Curve(f"{name} (1 = {table.rate(curve[1])})", [(n, v / curve[1]) for n, v in sorted(curve.items())])
             for name, curve in found.items()]
    lines.append(Curve("ideal", [(n, n) for n in range(1, top + 1)], (engine.GREY, 7, 0)))
    axes = Axes("workers, each on a CPU of its own", "speed-up over 1 worker (higher is better)",
                lambda v: f"{v:g}", lambda v: f"{v:g}", ticks_x=tuple(sorted({n for c in found.values() for n in c})))
    marks = [(host + .05, top + .2, f"more workers than the {host} host CPUs")] if top > host else []
    return curves(f"{guest}-time-scaling", "scale: throughput against workers",
                  "QEMU serialises exceptions: operations shorter than about 10,000 instructions cannot scale here "
                  "whatever the kernel does.", lines, axes, marks)


_ASIDS = re.compile(r"^vm/asid_reuse/(\d+)$")


def asids(guest, entries):
    """Page table walks a switch against the tasks that take turns, with address space tags and without."""
    own = sorted((int(_ASIDS.match(e.name).group(1)), e) for e in entries if _ASIDS.match(e.name))
    own = [(n, e) for n, e in own if e.counter("walks") is not None]
    if not own:
        return None
    cpus = min(e.cpus for _, e in own)
    lines = [Curve(label, [(n, e.counter(counter)) for n, e in own if e.cpus == cpus]) for label, counter in (
        ("ASIDs kept: what the kernel does", "walks"), ("ASIDs thrown away at each switch", "walks_without_asids"))]
    axes = Axes("tasks that take turns on one CPU", "page table walks a switch (lower is better)",
                lambda v: f"{v:g}", lambda v: f"{v:g}", ticks_x=tuple(n for n, _ in own))
    return curves(f"{guest}-model-asid-reuse", "vm/asid_reuse: page table walks per switch",
                  "200 switches beyond the first lap, in the model; each task writes to four pages of its own at the same "
                  "addresses. Both curves come from one run: the second TLB sees the same accesses and has no tags.",
                  lines, axes)


# What a reader looks for first: one row of each kind.
_HEADLINES = ("syscall/null_mach", "syscall/null_unix", "ipc/rpc_inline/0", "ipc/rpc_inline/64", "ipc/rpc_inline/1024",
              "ipc/semaphore_pingpong", "sched/switch_threads", "sched/thread_create_join", "vm/fault_zero_fill",
              "vm/fault_cow", "proc/fork_exit_wait", "proc/spawn_wait")


def overview(guest, entries, ref):
    """The headline rows with counts in one picture, or None."""
    chosen = [e for name in _HEADLINES for e in entries if e.name == name and e.mode == "count"]
    if len(chosen) < 3:
        return None
    rows = [_dot(entry, ref) for entry in chosen]
    title = f"{guest.capitalize()} {chosen[0].result.context['kernel_commit']}: instructions per operation"
    return dots(f"{guest}-count-overview", title, "One row of each kind, each system a mark; the upright bar is the goal.",
                rows, _labels(guest, ref), "count")
