"""Pictures of results: SVG for the page (a wide and a narrow form) and on its own, and PNG.

Every axis has a unit and says which way is better. Rows of a benchmark family stand under each other on one logarithmic
axis, each system a mark of its own shape; figures that matter are written beside their mark.
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from perf import chart, reference, report_rows, table

WIDE, NARROW = 960, 400
_RSVG = "rsvg-convert"
# mark and style of each system; our own comes first and is the only disc
SYSTEMS = {"own": ("own", "disc"), "linux": ("linux", "square"), "linuxdefault": ("linuxdefault", "diamond"),
           "sel4": ("sel4", "up")}
_OTHER_SYSTEM = ("other", "down")
SHOW = {"count": table.number, "time": table.nanoseconds}
_AXIS = {"count": "instructions per operation, logarithmic (further left is better)",
         "time": "wall time per operation, logarithmic (further left is better)"}


class PlotError(Exception):
    """A picture could not be drawn or written."""


@dataclass(frozen=True)
class Picture:
    """`name` is the stem of its files in the report's folder; `caption` says what to see."""

    name: str
    title: str
    caption: str
    svg: str
    narrow: str


# ---- writing ----


def rsvg():
    """Where rsvg-convert is, or None."""
    return shutil.which(_RSVG)


def _to_png(path):
    done = subprocess.run([_RSVG, "--zoom", "2", "--output", path[:-4] + ".png", path], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise PlotError(f"{_RSVG}: {done.stderr.strip()[:200]}")


def save(folder, pictures):
    """NAME.svg and NAME.png of each picture; rsvg-convert is a process of its own, so both host CPUs help."""
    paths = []
    for picture in pictures:
        paths.append(os.path.join(folder, picture.name + ".svg"))
        with open(paths[-1], "w", encoding="utf-8") as out:
            out.write(chart.standalone(picture.svg))
    if not rsvg():
        raise PlotError(f"{_RSVG} is missing (package librsvg2-bin)")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(_to_png, paths))


def picture(name, title, caption, draw):
    """`draw(width)` returns a Canvas; both forms of the picture come from it."""
    told = f"{title}. {caption}"
    return Picture(name, title, caption, draw(WIDE).svg(told), draw(NARROW).svg(told))


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


def _number(canvas, x, y, text, side, bold):
    # in the narrow form the row's name stands above its marks
    clear = y - 9 if canvas.width >= 600 else y + 19
    place = {"left": (x - 9, y + 4, "end"), "right": (x + 9, y + 4, "start"), "above": (x, clear, "middle")}[side]
    canvas.text(place[0], place[1], text, "value bold" if bold else "value", place[2])


def _spread(canvas, scale, y, row):
    """The distribution of our own figure: p5-p95 thin, quartiles thick, then p99, p99.9 and the worst as marks."""
    known = row.spread or {}
    for low, high, half, style in (("p5_ns", "p95_ns", 4, "c1 wide"), ("p25_ns", "p75_ns", 7, "c1 core")):
        if low in known and high in known:
            left, right = scale.at(known[low]), scale.at(known[high])
            canvas.box(left, y - half, right - left, 2 * half, style,
                       f"{row.label}: {low[:-3]} to {high[:-3]}: {table.nanoseconds(known[low])} to {table.nanoseconds(known[high])}")
    for name, shape, said in (("p99_ns", "stroke", "99 %"), ("p99.9_ns", "cross", "99.9 %"), ("max_ns", "ring", "worst")):
        if name in known:
            canvas.mark(shape, scale.at(known[name]), y, "c1", f"{row.label}, {said}: {table.nanoseconds(known[name])}")


def _dot_row(canvas, scale, y, row, show, labels):
    xs = [scale.at(v) for v in row.points.values()]
    if len(xs) > 1:
        canvas.line(min(xs), y, max(xs), y, "gap")
    _spread(canvas, scale, y, row)
    if row.goal:
        canvas.mark("bar", scale.at(row.goal), y, "goal", f"{row.label}, goal: {show(row.goal)}")
    sides = {"own": "above"} if row.spread else _sides(row, scale.at)
    for key, value in row.points.items():
        style, shape = _system(key)
        canvas.mark(shape, scale.at(value), y, style, f"{row.label}, {labels[key]}: {show(value)}",
                    {"row": row.label, "system": key, "value": f"{value:.15g}"})
        if key in sides:
            _number(canvas, scale.at(value), y, show(value), sides[key], key == "own")


def _dot_keys(rows, labels):
    used = [key for key in labels if any(key in row.points for row in rows)]
    keys = [chart.Key(labels[key], *_system(key)) for key in used]
    if any(row.goal for row in rows):
        keys.append(chart.Key("goal", "goal", "bar"))
    if any("p25_ns" in (row.spread or {}) for row in rows):
        keys += [chart.Key("25-75 %", "c1 core", "box"), chart.Key("5-95 %", "c1 wide", "box")]
    if any("p99_ns" in (row.spread or {}) for row in rows):
        keys += [chart.Key("99 %", "c1", "stroke"), chart.Key("99.9 %", "c1", "cross"), chart.Key("worst", "c1", "ring")]
    return keys


def _draw_dots(width, title, rows, labels, show, axis):
    narrow = width < 600
    left = 14 if narrow else 26 + chart.MONO_LETTER * max(len(row.label) for row in rows)
    pitch = 50 if narrow else 34
    canvas = chart.Canvas(width)
    canvas.text(14, 24, title, "title")
    top = chart.legend(canvas, _dot_keys(rows, labels), 14, 50, width - 10)
    scale = chart.log_scale([v for row in rows for v in row.values()], left + 58, width - 70)
    bottom = top + pitch * len(rows) + 4
    chart.x_axis(canvas, scale, top, bottom, show, axis, 62 if narrow else 80)
    for index, row in enumerate(rows):
        y = top + pitch * index + (30 if narrow else 20)
        if narrow:
            canvas.text(14, y - 14, row.label, "name")
        else:
            canvas.text(left - 10, y + 4, row.label, "name", "end")
        _dot_row(canvas, scale, y, row, show, labels)
    canvas.height = bottom + 18 + chart.label_height(axis, scale.end - scale.start)
    return canvas


def dots(name, title, caption, rows, labels, mode):
    """Rows on one logarithmic axis. `labels`: {system: its name}, in the legend's order."""
    return picture(name, title, caption, lambda width: _draw_dots(width, title, rows, labels, SHOW[mode], _AXIS[mode]))


# ---- ratios: who takes how many times as much ----


def _draw_ratios(width, title, rows, axis):
    narrow = width < 600
    left = 14 if narrow else 26 + chart.MONO_LETTER * max(len(label) for label, _ in rows)
    pitch = 32 if narrow else 21
    canvas = chart.Canvas(width)
    canvas.text(14, 24, title, "title")
    values = [v for _, v in rows] + [1]
    scale = chart.log_scale(values, left + 10, width - 64)
    top, bottom = 40, 44 + pitch * len(rows)
    chart.x_axis(canvas, scale, top, bottom, lambda v: f"{v:g}x", axis)
    one = scale.at(1)
    for index, (label, value) in enumerate(rows):
        y = top + pitch * index + (22 if narrow else 13)
        if narrow:
            canvas.text(14, y - 9, label, "name")
        else:
            canvas.text(left - 10, y + 4, label, "name", "end")
        at = scale.at(value)
        canvas.box(min(one, at), y - 5, abs(at - one), 10, "own" if value >= 1 else "linux", f"{label}: {value:.2f}x")
        canvas.text(max(one, at) + 6, y + 4, f"{value:.2f}x", "value bold")
    canvas.line(one, top, one, bottom, "axis")
    canvas.height = bottom + 18 + chart.label_height(axis, scale.end - scale.start)
    return canvas


def ratios(name, title, caption, rows, axis):
    """[(row, other/own)]: bars that start at 1x, where both take as much."""
    return picture(name, title, caption, lambda width: _draw_ratios(width, title, rows, axis))


# ---- curves ----


@dataclass(frozen=True)
class Curve:
    """`points`: [(x, y)]; `style` is a class and a shape, or None for the next of the cycle."""

    label: str
    points: list
    style: tuple = None
    shape: str = ""


@dataclass(frozen=True)
class Axes:
    """`ticks_x`: where the x axis has ticks, if not at round numbers."""

    x_label: str
    y_label: str
    show_x: object
    show_y: object
    log_x: bool = False
    log_y: bool = False
    ticks_x: tuple = ()


def _draw_curves(width, title, curves, axes, marks, rings):
    x_label, y_label, show_x, show_y = axes.x_label, axes.y_label, axes.show_x, axes.show_y
    canvas = chart.Canvas(width)
    canvas.text(14, 24, title, "title")
    styled = []
    for index, curve in enumerate(curves):
        style, shape, dashed = chart.cycle(index)
        styled.append((curve, *(curve.style or (style, shape)), dashed))
    keys = [chart.Key(c.label, style, shape, True, dashed) for c, style, shape, dashed in styled]
    top = chart.legend(canvas, keys, 14, 50, width - 10) + 6
    bottom = top + (330 if width >= 600 else 260)
    xs = [x for c in curves for x, _ in c.points]
    ys = [y for c in curves for _, y in c.points]
    across = chart.log_scale(xs, 84, width - 24) if axes.log_x else chart.Scale(min(xs) - .2, max(xs) + .2, 84, width - 24)
    up = chart.log_scale(ys, bottom, top) if axes.log_y else chart.Scale(0, max(ys) * 1.08, bottom, top)
    for low, high, text in marks:
        canvas.box(across.at(low), top, across.at(high) - across.at(low), bottom - top, "shade")
        canvas.text(across.at(low) + 4, bottom - 8, text, "soft")
    chart.x_axis(canvas, across, top, bottom, show_x, x_label, ticks=axes.ticks_x)
    chart.y_axis(canvas, up, 84, width - 24, show_y, y_label)
    for curve, style, shape, dashed in styled:
        points = [(across.at(x), up.at(y)) for x, y in curve.points]
        canvas.curve(points, style, dashed)
        for (x, y), (at, value) in zip(points, curve.points) if shape else ():
            canvas.mark(shape, x, y, style, f"{curve.label}: {show_y(value)} at {show_x(at)}", {"value": f"{value:.15g}"})
    for x, y in rings:
        canvas.mark("ring", across.at(x), up.at(y), "big goal")
    canvas.height = bottom + 18 + chart.label_height(x_label, across.end - across.start)
    return canvas


def curves(name, title, caption, lines, axes, marks=(), rings=()):
    """Lines on common axes. `marks`: shaded ranges of x with their text; `rings`: points that stand out."""
    return picture(name, title, caption, lambda width: _draw_curves(width, title, lines, axes, marks, rings))


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
    axes = Axes("payload each way, bytes, logarithmic", f"{unit} per round trip, log (lower is better)",
                lambda b: "none" if b == _NO_BYTES else f"{b // 1024} Ki" if b >= 1024 else str(b), SHOW[mode], True, True,
                tuple(4 ** n for n in range(2, 10)))
    return curves(f"{guest}-{mode}-ipc-by-size", f"ipc: {unit} per round trip against message size",
                  "Headers are not part of the payload. A flat start is the fixed price of a round trip, the slope is copying.",
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
    axes = Axes("share of batches that took no longer", "time, median = 1, logarithmic (lower is better)",
                lambda at: _QUANTILE_TICKS.get(at, ""), lambda v: f"{v:g}x", False, True, tuple(_QUANTILE_TICKS))
    return curves(f"{guest}-time-{name}-distribution", f"{name}: distribution over batches",
                  "A flat curve is a steady row; where it rises, the tail begins.", lines, axes)


def scaling(guest, entries, ref):
    """Throughput relative to one worker, with the ideal line."""
    found = {name: curve for name, curve in report_rows.scaling(entries).items() if 1 in curve and len(curve) > 1}
    if not found:
        return None
    top = max(max(curve) for curve in found.values())
    host = int(entries[0].result.context.get("host_cpus", "1"))
    lines = [Curve(f"{name} (1 = {table.rate(curve[1])})", [(n, v / curve[1]) for n, v in sorted(curve.items())])
             for name, curve in found.items()]
    lines.append(Curve("ideal", [(n, n) for n in range(1, top + 1)], ("ideal", "")))
    axes = Axes("workers, each on a CPU of its own", "throughput, 1 worker = 1 (higher is better)",
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
