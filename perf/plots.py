"""Pictures of result files, drawn by gnuplot as SVG (for the page and on its own) and PNG.

Every axis has a unit and says which way is better. Series differ by colour (Okabe and Ito's palette, told apart by all
common kinds of colour blindness and visible on light and dark), and by pattern or marker as well.
"""

import math
import os
import re
import subprocess
from dataclasses import dataclass

from perf import reference, table

COLOURS = {"blue": "#0072B2", "vermilion": "#D55E00", "green": "#009E73", "purple": "#CC79A7", "sky": "#56B4E9",
           "orange": "#E69F00", "grey": "#808080"}
_CYCLE = ["blue", "vermilion", "green", "purple", "orange", "sky", "grey"]
_MARKS = [7, 5, 9, 13, 11, 4, 6, 8, 12, 10]
_FONT = "DejaVu Sans,sans-serif"
_PERCENTILES = [("p50_ns", "50 %"), ("p90_ns", "90 %"), ("p99_ns", "99 %"), ("p99.9_ns", "99.9 %"), ("max_ns", "worst")]


class PlotError(Exception):
    """gnuplot is missing or refused a script."""


@dataclass(frozen=True)
class Picture:
    """`name` is the stem of its files in the report's folder; `caption` says what to see."""

    name: str
    title: str
    caption: str
    svg: str


def _text(value):
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _label_over_key(label):
    """An x label with an empty line behind it, which keeps it clear of a key below."""
    return _text(label)[:-1] + '\\n "'


def _gnuplot(script):
    try:
        run = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True)
    except OSError as error:
        raise PlotError(f"gnuplot: {error.strerror} (package gnuplot-nox)") from None
    if run.returncode:
        raise PlotError("gnuplot: " + " ".join(run.stderr.split())[:300])


def _for_page(name, svg):
    """The SVG with text and lines in the page's own colour and no background: it follows light and dark.

    Its ids get the picture's name, since all pictures share one page.
    """
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"""\bid=(['"])""", rf"id=\1{name}-", svg)
    svg = re.sub(r"""(url\(#|href=['"]#)""", rf"\1{name}-", svg)
    # gnuplot paints the ground as the first rectangle; the page has its own
    svg = re.sub(r'<rect [^>]*fill="#ffffff"[^>]*/>', "", svg, count=1)
    for black in ("'black'", '"black"', "'rgb(  0,   0,   0)'", "\"rgb(  0,   0,   0)\"", "'#000000'", '"#000000"'):
        svg = svg.replace("=" + black, '="currentColor"')
    svg = svg.replace("black;", "currentColor;")
    return svg


@dataclass(frozen=True)
class _Sketch:
    """A picture not yet drawn: `script` writes its two files."""

    name: str
    title: str
    caption: str
    script: str


def _sketch(folder, name, title, caption, size, body):
    width, height = size
    svg_path = os.path.join(folder, name + ".svg")
    png_path = os.path.join(folder, name + ".png")
    ids = re.sub(r"[^A-Za-z0-9]", "_", name)
    return _Sketch(name, title, caption, (
        "reset session\n"
        f'set terminal svg size {width},{height} dynamic noenhanced font "{_FONT},13" background rgb "#ffffff" name "{ids}"\n'
        f"set output {_text(svg_path)}\nset title {_text(title)} noenhanced\n{body}\nset output\n"
        f"set terminal pngcairo size {width * 2},{height * 2} noenhanced font \"DejaVu Sans,13\" fontscale 1.45 "
        "linewidth 1.6 pointscale 1.6\n"
        f"set output {_text(png_path)}\nreplot\nset output\n"))


def _drawn(folder, sketches):
    """All pictures by one gnuplot."""
    _gnuplot("".join(sketch.script for sketch in sketches))
    pictures = []
    for sketch in sketches:
        with open(os.path.join(folder, sketch.name + ".svg"), encoding="utf-8") as source:
            pictures.append(Picture(sketch.name, sketch.title, sketch.caption, _for_page(sketch.name, source.read())))
    return pictures


def _line_styles(count):
    return "".join(
        f'set style line {i + 1} lc rgb "{COLOURS[_CYCLE[i % len(_CYCLE)]]}" lw 2 pt {_MARKS[i % len(_MARKS)]} '
        f"ps 1 dt {1 + i // len(_CYCLE)}\n" for i in range(count))


def _log_tics(axis, low, high, show):
    """Tics of a logarithmic axis at every power of ten (and 2 and 5 when there is room), labelled with whole numbers."""
    steps = (1, 2, 5) if high / low < 200 else (1,)
    tics = []
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        tics += [step * 10.0 ** power for step in steps]
    labels = ", ".join(f"{_text(show(t))} {t}" for t in tics if low <= t <= high)
    return f"set logscale {axis} 10\nset {axis}range [{low}:{high}]\nset {axis}tics ({labels})\n"


def _show(mode):
    return table.number if mode == "count" else table.nanoseconds


def _block(name, lines):
    return f"${name} << EOD\n" + "\n".join(lines) + "\nEOD\n"


# ---- bars beside the anchors ----

_AXIS = {"count": "instructions per operation, logarithmic (shorter is better)",
         "time": "nanoseconds per operation, median, logarithmic (shorter is better)"}
# colour and fill pattern of the series: our own bar is the only full one
_BARS = {"own": ("blue", "solid 0.9"), "sel4": ("green", "pattern 5"), "linux": ("orange", "pattern 2")}
_OTHER_BAR = ("purple", "pattern 7")


def _bar_rows(result, ref, names):
    """{series: [(y, value, text, x of the text)]}, goals, y tics and bar thickness; the first row is on top"""
    series = {"own": []}
    series.update({a.id: [] for a in ref.anchors})
    goals, tics = [], []
    thick = 1.0 / (len(series) + 1)
    for row, name in enumerate(names):
        base = -float(row)
        tics.append(f"{_text(name)} {base}")
        show = _show(result.mode)
        own = result.value(name)
        target = ref.target(name) if result.mode == "count" else None
        goal = target.goal if target else own
        # the number stands clear of the goal's tick
        series["own"].append((base + thick, own, show(own), goal if own < goal < 2.2 * own else own))
        for index, anchor in enumerate(ref.anchors):
            value = anchor.value(name, result.mode)
            if value:
                series[anchor.id].append((base - index * thick, value, show(value), value))
        if target:
            goals.append((base + thick, target.goal))
    return series, goals, tics, thick


def bars(folder, result, ref, family, names, title=""):
    """Absolute bars of some rows, each with its number, beside the anchors; a red tick is the goal."""
    series, goals, tics, thick = _bar_rows(result, ref, names)
    values = [v for rows in series.values() for _, v, _, _ in rows] + [g for _, g in goals]
    values = [v for v in values if v > 0] or [1]
    low, high = min(values) / 2.5, max(values) * 4
    body = "set key outside bottom center horizontal samplen 2\nset grid xtics lc rgb '#b0b0b0' lw 0.5\n"
    body += _log_tics("x", low, high, _show(result.mode)) + f"set yrange [{-len(names) + 0.35}:{0.75}]\n"
    body += f"set ytics ({', '.join(tics)})\nset xlabel {_label_over_key(_AXIS[result.mode])}\n"
    body += "set border 3\nset tics nomirror\nset lmargin 28\n"
    labels = {"own": result.guest.capitalize(), **{a.id: a.label for a in ref.anchors}}
    plots = []
    for index, (key, rows) in enumerate(series.items()):
        if not rows:
            continue
        colour, fill = _BARS.get(key, _OTHER_BAR)
        body += _block(f"s{index}", [f"{v} {y} {_text(t)} {x}" for y, v, t, x in rows])
        half = thick * 0.42
        plots.append(
            f"$s{index} using 1:2:({low}):1:($2-{half}):($2+{half}) with boxxyerror fs {fill} "
            f'lc rgb "{COLOURS[colour]}" title {_text(labels[key])}')
        plots.append(f"$s{index} using 4:2:3 with labels left offset 0.5,0 font ',11' notitle")
    if goals:
        body += _block("goal", [f"{g} {y}" for y, g in goals])
        plots.append(f'$goal using 1:($2-{thick * 0.55}):(0):({thick * 1.1}) with vectors nohead lw 3 '
                     f'lc rgb "{COLOURS["vermilion"]}" title "goal"')
    body += "plot " + ", \\\n  ".join(plots) + "\n"
    stem = f"{result.guest}-{result.mode}-cpus{result.cpus}-{family}"
    unit = "instructions per operation" if result.mode == "count" else "wall time per operation"
    size = (860, 130 + 76 * len(names))
    caption = "Each bar carries its number; the axis is logarithmic. What the anchors ran is in the table."
    return _sketch(folder, stem, title or f"{family}: {unit}", caption, size, body)


# ---- latency percentiles ----


def percentiles(folder, result, family, names):
    """One line a row from the median to the worst batch."""
    lines, plots = [], []
    for index, name in enumerate(names):
        points = [(x, result.counter(name, key)) for x, (key, _) in enumerate(_PERCENTILES)]
        rows = [f"{x} {v}" for x, v in points if v]
        lines.append(_block(f"p{index}", rows))
        plots.append(f"$p{index} using 1:2 with linespoints ls {index + 1} title {_text(name)}")
    # a tic's label is a format: "%%" prints "%"
    tics = ", ".join(f"{_text(label.replace('%', '%%'))} {x}" for x, (_, label) in enumerate(_PERCENTILES))
    body = _line_styles(len(names)) + "".join(lines)
    values = [result.counter(name, key) for name in names for key, _ in _PERCENTILES]
    values = [v for v in values if v]
    body += _log_tics("y", min(values) / 2, max(values) * 2, table.nanoseconds)
    body += "set grid lc rgb '#b0b0b0' lw 0.5\nset border 3\nset tics nomirror\n"
    body += f"set xtics ({tics})\nset xrange [-0.2:{len(_PERCENTILES) - 0.8}]\nset key outside right top Left reverse\n"
    body += 'set xlabel "share of samples that are at least as fast"\n'
    body += 'set ylabel "time per operation, logarithmic (lower is better)"\n'
    body += "plot " + ", \\\n  ".join(plots) + "\n"
    stem = f"{result.guest}-{result.mode}-cpus{result.cpus}-{family}-percentiles"
    caption = "A flat line is a predictable operation. Samples are short batches; the worst one includes host noise."
    return _sketch(folder, stem, f"{family}: latency percentiles", caption, (860, 420), body)


# ---- latency against size ----

# where a payload of zero bytes stands on a logarithmic axis, marked "0"
_ZERO_BYTES = 8


def _size_axis(sizes):
    tics = sorted({s for s in sizes})
    shown = [f'"{s}" {max(s, _ZERO_BYTES)}' for s in tics]
    return f"set logscale x 2\nset xrange [{_ZERO_BYTES / 1.5}:{max(tics) * 1.6}]\nset xtics ({', '.join(shown)}) rotate by -30\n"


def by_size(folder, result, ref, names):
    """Round trip against payload, log-log, with what others take for theirs."""
    own = sorted((int(name.rsplit("/", 1)[1]), result.value(name)) for name in names)
    curves = [(f"{result.guest.capitalize()}: {names[0].rsplit('/', 1)[0]}", own)]
    top = own[-1][0]
    for anchor in ref.anchors:
        points = [(p["bytes"], p.get(reference.FIGURE[result.mode])) for p in anchor.by_size["points"]]
        points = [(b, v) for b, v in points if v and b <= max(top, 4096)]
        if points:
            curves.append((f"{anchor.label}: {anchor.by_size['operation']}", points))
    body, plots = _line_styles(len(curves)), []
    for index, (title, points) in enumerate(curves):
        body += _block(f"c{index}", [f"{max(b, _ZERO_BYTES)} {v}" for b, v in points])
        plots.append(f"$c{index} using 1:2 with linespoints ls {index + 1} title {_text(title)}")
    unit = "instructions" if result.mode == "count" else "time"
    values = [v for _, points in curves for _, v in points]
    body += _log_tics("y", min(values) / 2, max(values) * 2, _show(result.mode))
    body += "set grid lc rgb '#b0b0b0' lw 0.5\nset border 3\nset tics nomirror\n"
    body += _size_axis([b for b, _ in own])
    body += "set key outside bottom center Left reverse\n"
    body += f"set xlabel {_label_over_key('payload each way, bytes, logarithmic')}\n"
    body += f'set ylabel "{unit} per round trip, logarithmic (lower is better)"\n'
    body += "plot " + ", \\\n  ".join(plots) + "\n"
    stem = f"{result.guest}-{result.mode}-cpus{result.cpus}-ipc-by-size"
    caption = "Headers are not part of the payload. A flat start is the fixed price of a round trip, the slope is copying."
    return _sketch(folder, stem, "ipc: round trip against message size", caption, (860, 480), body)


# ---- throughput against workers ----


def scaling(folder, result, ref):
    """Throughput relative to one worker, with the ideal line; absolute figures are in the legend."""
    curves = {name: curve for name, curve in table.scaling(result).items() if 1 in curve and len(curve) > 1}
    if not curves:
        return None
    top = max(max(curve) for curve in curves.values())
    host = int(result.context.get("host_cpus", "1"))
    body, plots = _line_styles(len(curves)), []
    body += "set grid lc rgb '#b0b0b0' lw 0.5\nset border 3\nset tics nomirror\nset key outside bottom center Left reverse maxcols 2\n"
    body += f"set xrange [0.8:{top + 0.2}]\nset yrange [0:{top * 1.08}]\nset xtics 1\n"
    body += f"set xlabel {_label_over_key('workers, each on a CPU of its own')}\n"
    body += 'set ylabel "throughput, 1 worker = 1 (higher is better)"\n'
    if top > host:
        body += f'set object 1 rect from {host}+0.05,graph 0 to {top + 0.2},graph 1 fc rgb "#808080" fs transparent solid 0.15 noborder\n'
        body += f'set label 1 "more workers than the {host} host CPUs" at {host}+0.1,graph 0.04\n'
    for index, (name, curve) in enumerate(curves.items()):
        body += _block(f"w{index}", [f"{n} {speed / curve[1]}" for n, speed in sorted(curve.items())])
        title = f"{name} (1 = {table.rate(curve[1])})"
        plots.append(f"$w{index} using 1:2 with linespoints ls {index + 1} title {_text(title)}")
    linux = [(name, ref.scaling_anchor["rows"].get(name)) for name in curves]
    for index, (name, ratio) in enumerate(linux):
        if ratio and top >= 2:
            body += _block(f"l{index}", [f"2 {ratio}"])
            plots.append(f"$l{index} using 1:2 with points pt 2 ps 1.6 lw 2 lc rgb "
                         f'"{COLOURS[_CYCLE[index % len(_CYCLE)]]}" title {_text("Linux, the same" if index == 0 else "")}')
    plots.insert(0, f'[1:{top}] x with lines dt 2 lw 1.5 lc rgb "{COLOURS["grey"]}" title "ideal"')
    body += "plot " + ", \\\n  ".join(plots) + "\n"
    stem = f"{result.guest}-{result.mode}-cpus{result.cpus}-scaling"
    caption = ("QEMU serialises exceptions: operations shorter than about 10,000 instructions cannot scale here whatever "
               "the kernel does. Crosses: Linux on the same machine, in the colour of its row.")
    return _sketch(folder, stem, "scale: throughput against workers", caption, (860, 480), body)


# ---- all of a file ----


def _families(result):
    families = {}
    for name in result.rows:
        if "/threads:" not in name:
            families.setdefault(name.split("/")[0], []).append(name)
    return families


def _sketches(folder, result, ref):
    """{family: [_Sketch]}"""
    found = {}
    for family, names in _families(result).items():
        found[family] = [bars(folder, result, ref, family, names)]
        sized = [n for n in names if re.fullmatch(r"ipc/rpc_inline/\d+", n)]
        if len(sized) > 1:
            found[family].append(by_size(folder, result, ref, sized))
        told = [n for n in names if result.counter(n, "p99_ns")]
        if result.mode == "time" and told:
            found[family].append(percentiles(folder, result, family, told))
    curve = scaling(folder, result, ref) if result.mode == "time" else None
    if curve:
        found["scale"] = [curve]
    return found


# What a reader looks for first: one row of each kind.
_HEADLINES = ["syscall/null_mach", "syscall/null_unix", "ipc/rpc_inline/0", "ipc/rpc_inline/64", "ipc/rpc_inline/1024",
              "ipc/semaphore_pingpong", "sched/switch_threads", "sched/thread_create_join", "vm/fault_zero_fill",
              "vm/fault_cow", "proc/fork_exit_wait", "proc/spawn_wait"]


def overview(folder, loaded, ref):
    """The headline rows of the first file with counts in one picture, or None."""
    for result in loaded:
        names = [name for name in _HEADLINES if name in result.rows]
        if result.mode == "count" and len(names) > 2:
            title = f"{result.guest.capitalize()} {result.context['kernel_commit']}: instructions per operation"
            return _drawn(folder, [bars(folder, result, ref, "overview", names, title)])[0]
    return None


def draw_all(folder, result, ref):
    """{family: [Picture]} of one result file; the key "scale" holds the scaling curve."""
    sketches = _sketches(folder, result, ref)
    pictures = iter(_drawn(folder, [s for family in sketches.values() for s in family]))
    return {family: [next(pictures) for _ in drawn] for family, drawn in sketches.items()}
