"""gnuplot as the engine of all pictures: one run draws every picture in a wide and in a narrow form.

What comes out is made fit for a page: bold fonts and tooltips as SVG says them, colours as #rrggbb, ids that are unique
in the page. Colours are Okabe and Ito's, which stay apart for all common kinds of colour blindness; series differ by
mark, pattern or fill as well. dark_style() is the sheet that turns them for a dark page.
"""

import concurrent.futures
import math
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field

WIDE, NARROW = 960, 400
FONT, MONO = "DejaVu Sans", "DejaVu Sans Mono"
INK, SOFT, RULE = "#1b1f24", "#57606a", "#d0d7de"
BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY, GREY = "#0072b2", "#d55e00", "#009e73", "#aa4480", "#b37b00", "#2f86b8", "#6e7781"
# colour and gnuplot's point type of series of equal standing
CYCLE = ((BLUE, 7), (ORANGE, 5), (GREEN, 9), (PURPLE, 13), (YELLOW, 11), (SKY, 6), (GREY, 2))
_DARK = {INK: "#e6edf3", SOFT: "#9da7b3", RULE: "#30363d", BLUE: "#4aa8e0", ORANGE: "#f08a4b", GREEN: "#2bbd92",
         PURPLE: "#d98bb8", YELLOW: "#e6b143", SKY: "#8cc9ee", GREY: "#a5afba"}
_RSVG = "rsvg-convert"
# pixels that a letter of 12 px takes
LETTER, MONO_LETTER = 7.0, 7.25


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


@dataclass(frozen=True)
class Key:
    """An entry of a legend. `kind`: point, line (with a point, if it has a type), box or bar; `type` is gnuplot's."""

    label: str
    kind: str
    colour: str
    type: int = 0
    size: float = 0.7
    dash: int = 1
    solid: float = 1

    @property
    def room(self):
        return 34 if self.kind == "line" else 20


def _placed(width, keys):
    """[(key, x, row)]: entries side by side as far as they fit."""
    x, row, placed = 14, 0, []
    for key in keys:
        wide = key.room + LETTER * len(key.label) + 16
        if x > 14 and x + wide > width - 4:
            x, row = 14, row + 1
        placed.append((key, x, row))
        x += wide
    return placed


def legend_bottom(width, keys):
    """Pixels from the top to below the legend."""
    return 46 + 18 * (1 + _placed(width, keys)[-1][2])


@dataclass
class Script:
    """One form of a picture under construction: settings, data blocks and what is plotted, in gnuplot's words."""

    width: int
    height: float = 0
    settings: list = field(default_factory=list)
    plots: list = field(default_factory=list)
    blocks: int = 0

    @property
    def narrow(self):
        return self.width < 600

    def set(self, *lines):
        self.settings += lines

    def data(self, rows):
        """Name of a data block with these rows."""
        self.blocks += 1
        lines = "\n".join(" ".join(text(cell) if isinstance(cell, str) else f"{cell:.15g}" for cell in row) for row in rows)
        self.settings.append(f"$d{self.blocks} << EOD\n{lines}\nEOD")
        return f"$d{self.blocks}"

    def plot(self, rows, how):
        """`how` is what follows the data's name in a plot command."""
        if rows:
            self.plots.append(f"{self.data(rows)} {how}")

    def frame(self, left, right, top, bottom):
        """Margins in pixels from the edges; the height must be known."""
        self.set(f"set lmargin at screen {left / self.width:.5f}", f"set rmargin at screen {1 - right / self.width:.5f}",
                 f"set tmargin at screen {1 - top / self.height:.5f}", f"set bmargin at screen {bottom / self.height:.5f}")

    def title(self, words):
        self.set(f'set label {text(words)} at screen {14 / self.width:.5f}, screen {1 - 20 / self.height:.5f} left '
                 f'font "{FONT}:Bold,14"')

    def _screen(self, x, y):
        return f"screen {x / self.width:.5f}, screen {1 - y / self.height:.5f}"

    def legend(self, keys):
        """Under the title. gnuplot's own key would make all columns as wide as the longest entry."""
        for key, x, row in _placed(self.width, keys):
            y = 46 + 18 * row
            self.set(f'set label {text(key.label)} at {self._screen(x + key.room, y)} left textcolor rgb "{INK}"')
            colour = f'rgb "{key.colour}"'
            if key.kind == "line":
                self.set(f"set arrow from {self._screen(x, y)} to {self._screen(x + 26, y)} nohead lw 2 dt {key.dash} lc {colour}")
            elif key.kind == "bar":
                self.set(f"set arrow from {self._screen(x + 7, y - 7)} to {self._screen(x + 7, y + 7)} nohead lw 3 lc {colour}")
            elif key.kind == "box":
                self.set(f"set object rect from {self._screen(x, y - 5)} to {self._screen(x + 14, y + 5)} fc {colour} "
                         f"fs transparent solid {key.solid} noborder front")
            if key.type:
                middle = x + (13 if key.kind == "line" else 7)
                self.set(f'set label "" at {self._screen(middle, y)} point pt {key.type} ps {key.size} lc {colour}')

    def ticks(self, axis, ticks, show):
        # a tick's text is a format: a percent sign is written twice
        shown = ", ".join(f"{text(show(tick).replace('%', '%%'))} {tick:.15g}" for tick in ticks)
        self.set(f'set {axis}tics nomirror scale 0 textcolor rgb "{SOFT}" ({shown})')

    def x_label(self, words, wide):
        """The label, in as many lines as `wide` pixels need."""
        self.set(f'set xlabel {text(chr(10).join(wrapped(words, wide)))} offset 0,.3 textcolor rgb "{SOFT}"')

    def commands(self, path, ids):
        return "\n".join([
            "reset session", f'set terminal svg size {self.width},{self.height:.0f} dynamic noenhanced font "{FONT},12" name "{ids}"',
            f"set output {text(path)}", f'set border 1 lc rgb "{SOFT}"', f'set grid xtics lt 1 lw 1 lc rgb "{RULE}"',
            *self.settings, "plot " + ", \\\n  ".join(self.plots), "set output", ""])


def text(value):
    """A string in gnuplot's double quotes."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def wrapped(words, wide):
    lines = [""]
    for word in words.split():
        longer = (lines[-1] + " " + word).strip()
        if lines[-1] and len(longer) * LETTER > wide:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


# ---- logarithmic axes ----


@dataclass(frozen=True)
class Range:
    """A logarithmic axis from `low` to `high` over `pixels`."""

    low: float
    high: float
    pixels: float

    def at(self, value):
        """Pixels from the start of the axis."""
        return math.log(max(value, self.low) / self.low) / math.log(self.high / self.low) * self.pixels

    def ticks(self, room=70):
        """Round values, `room` pixels apart at least."""
        decade = self.pixels / math.log10(self.high / self.low)
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = next(s for s in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)) if decade / len(s) >= room or len(s) == 1)
        ticks = [step * 10.0 ** e for e in exponents for step in steps if self.low <= step * 10.0 ** e <= self.high]
        return ticks[::max(1, math.ceil(room / decade))] if len(steps) == 1 else ticks

    def settings(self, axis):
        return f"set logscale {axis} 10", f"set {axis}range [{self.low:.15g}:{self.high:.15g}]"


def log_range(values, pixels, before=24, after=24, widest=3.0):
    """A range that holds the values with room in pixels before the least and after the largest, and is at least `widest`
    times wide."""
    low, high = min(values), max(values)
    if high / low < widest:
        centre = math.sqrt(low * high)
        low, high = centre / math.sqrt(widest), centre * math.sqrt(widest)
    pixel = math.log(high / low) / max(1, pixels - before - after)
    return Range(low * math.exp(-before * pixel), high * math.exp(after * pixel), pixels)


# ---- from gnuplot to the page ----

_TIP = re.compile(r'''<g onmousemove="gnuplot_svg\.showHypertext\(evt,'(.*?)'\)" onmouseout="[^"]*"><title> </title>''')
_RGB = re.compile(r"rgb\(\s*(\d+),\s*(\d+),\s*(\d+)\s*\)")


def _clean(svg, ids):
    """gnuplot's SVG as an element for a page."""
    svg = svg[svg.index("<svg"):]
    svg = _RGB.sub(lambda m: "#%02x%02x%02x" % tuple(int(n) for n in m.groups()), svg)
    svg = _TIP.sub(r"<g><title>\1</title>", svg)
    svg = re.sub(r"<title>(?:Gnuplot|" + ids + r"_plot_\d+)</title>", "", svg)
    svg = re.sub(r'<desc>.*?</desc>', "", svg, flags=re.DOTALL)
    svg = svg.replace(':Bold"', '" font-weight="bold"').replace('"black"', f'"{INK}"').replace("'black'", f"'{INK}'")
    svg = re.sub(r"""\bid=(['"])(?!%s)""" % ids, rf"id=\1{ids}-", svg)
    svg = re.sub(r"""(url\(#|href=['"]#)""", rf"\1{ids}-", svg)
    return re.sub(r">\s+<", "><", svg).replace("<svg", '<svg class="plot" role="img"', 1)


def dark_style():
    """CSS that turns the pictures' colours on a dark page."""
    rules = "".join(f'.plot [{part}="{light}"]{{{part}:{dark}}}' for light, dark in _DARK.items()
                    for part in ("stroke", "fill", "color"))
    return f"@media screen and (prefers-color-scheme: dark) {{{rules}}}"


def _run(script):
    try:
        done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True, check=False)
    except OSError as error:
        raise PlotError(f"gnuplot: {error.strerror} (package gnuplot-nox)") from None
    if done.returncode:
        raise PlotError("gnuplot: " + " ".join(done.stderr.split())[:300])


@dataclass(frozen=True)
class Sketch:
    """A picture not yet drawn: `build(width)` makes the Script of a form."""

    name: str
    title: str
    caption: str
    build: object


def _drawn(path, ids, told):
    with open(path, encoding="utf-8") as source:
        return _clean(source.read(), ids).replace("<svg", f'<svg aria-label={_attribute(told)}', 1)


def _attribute(words):
    return '"' + words.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;") + '"'


def draw(sketches):
    """Pictures of all sketches, by one gnuplot."""
    with tempfile.TemporaryDirectory(prefix="pluot-plots-") as folder:
        commands, forms = [], []
        for number, sketch in enumerate(sketches):
            for width in (WIDE, NARROW):
                ids, path = f"p{number}w{width}", os.path.join(folder, f"{number}-{width}.svg")
                commands.append(sketch.build(width).commands(path, ids))
                forms.append((path, ids))
        _run("set encoding utf8\n" + "".join(commands))
        made = iter([_drawn(path, ids, f"{s.title}. {s.caption}")
                     for (path, ids), s in zip(forms, [s for s in sketches for _ in range(2)])])
        return [Picture(s.name, s.title, s.caption, next(made), next(made)) for s in sketches]


def programs():
    """Are gnuplot and rsvg-convert there?"""
    return bool(shutil.which("gnuplot") and shutil.which(_RSVG))


def _to_png(path):
    command = [_RSVG, "--zoom", "1.6", "--background-color", "white", "--output", path[:-4] + ".png", path]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise PlotError(f"{_RSVG}: {error.strerror} (package librsvg2-bin)") from None
    if done.returncode:
        raise PlotError(f"{_RSVG}: {done.stderr.strip()[:200]}")


def save(folder, pictures):
    """NAME.svg and NAME.png of each picture; rsvg-convert is a process of its own, so all host CPUs help."""
    paths = []
    for picture in pictures:
        paths.append(os.path.join(folder, picture.name + ".svg"))
        with open(paths[-1], "w", encoding="utf-8") as out:
            head, mark, rest = picture.svg.partition(">")
            out.write(f'<?xml version="1.0" encoding="utf-8"?>\n{head}{mark}<rect width="100%" height="100%" fill="#ffffff"/>{rest}\n')
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(_to_png, paths))
