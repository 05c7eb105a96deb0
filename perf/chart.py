"""Drawing charts as SVG: scales with whole-number ticks, marks, legends. What is drawn with them is plots.py's business.

A mark is told by its shape as well as by its colour, and carries the exact figure as a tooltip and as `data-value`, so
that a test can hold the picture against the numbers. Colours come from classes (templates/plot.css): inside the page
they follow its light and dark scheme, and a file of its own brings the style sheet along.
"""

import html
import math
import os
from dataclasses import dataclass, field

# pixels: letters of 12 px DejaVu Sans and of its Mono
LETTER = 7.0
MONO_LETTER = 7.25
_STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates", "plot.css")
_TICK_STEPS = ((1, 2, 5), (1, 3), (1,))


def escape(value):
    return html.escape(str(value), quote=True)


def _px(value):
    return f"{value:.1f}".rstrip("0").rstrip(".")


# ---- scales ----


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` onto pixels from `start` to `end` (either may be the larger); log: logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value):
        if self.log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, room=70):
        """Round values with at least `room` pixels from one to the next."""
        return self._log_ticks(room) if self.log else self._linear_ticks(room)

    def _log_ticks(self, room):
        decade = abs(self.end - self.start) / math.log10(self.high / self.low)
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in _TICK_STEPS:
            ticks = [step * 10.0 ** e for e in exponents for step in steps]
            if decade / len(steps) >= room or len(steps) == 1:
                break
        if decade < room:
            ticks = ticks[::math.ceil(room / decade)]
        return [tick for tick in ticks if self.low <= tick <= self.high]

    def _linear_ticks(self, room):
        most = max(1, abs(self.end - self.start) / room)
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough)
        first = math.ceil(self.low / step)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def log_scale(values, start, end):
    """A logarithmic scale that holds `values` with a little room, at least a decade wide."""
    low, high = min(values) / 1.3, max(values) * 1.3
    if high / low < 10:
        centre = math.sqrt(low * high)
        low, high = centre / math.sqrt(10), centre * math.sqrt(10)
    return Scale(low, high, start, end, log=True)


# ---- marks ----

# shape: path about the origin, a mark being about 9 pixels wide
_SHAPES = {
    "disc": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "square": "M-4 -4h8v8h-8z",
    "diamond": "M0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    "up": "M0 -5.5l5.2 9.5h-10.4z",
    "down": "M0 5.5l5.2 -9.5h-10.4z",
    "ring": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "cross": "M-4 -4l8 8M4 -4l-8 8",
    "bar": "M0 -8v16",
    "stroke": "M0 -5v10",
    "box": "M-7 -5h14v10h-14z",
}
# series of equal standing: class and shape of the n-th
CYCLE = [("c1", "disc"), ("c2", "square"), ("c3", "up"), ("c4", "diamond"), ("c5", "down"), ("c6", "ring"), ("c7", "cross")]


def cycle(index):
    """(class, shape, dashed) of the index-th series; beyond the palette, lines are dashed."""
    name, shape = CYCLE[index % len(CYCLE)]
    return name, shape, index >= len(CYCLE)


@dataclass
class Canvas:
    """SVG under construction, y downwards. Marks and labels are class-styled; nothing here knows a colour."""

    width: float
    height: float = 0
    parts: list = field(default_factory=list)

    def line(self, x1, y1, x2, y2, style="grid"):
        self.parts.append(f'<path class="{style}" d="M{_px(x1)} {_px(y1)}L{_px(x2)} {_px(y2)}"/>')

    def curve(self, points, style, dashed=False):
        path = "L".join(f"{_px(x)} {_px(y)}" for x, y in points)
        self.parts.append(f'<path class="curve {style}{" dashed" if dashed else ""}" d="M{path}"/>')

    def box(self, x, y, width, height, style, title="", data=None):
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<rect class="{style}" x="{_px(x)}" y="{_px(y)}" width="{_px(max(width, 0.5))}" '
                          f'height="{_px(height)}"{_data(data)}>{inner}</rect>')

    def text(self, x, y, text, style="", anchor="start", turned=False):
        turn = f' transform="rotate(-90 {_px(x)} {_px(y)})"' if turned else ""
        self.parts.append(f'<text class="{style}" x="{_px(x)}" y="{_px(y)}" text-anchor="{anchor}"{turn}>{escape(text)}</text>')

    def mark(self, shape, x, y, style, title="", data=None):
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<path class="mark {shape} {style}" transform="translate({_px(x)} {_px(y)})" '
                          f'd="{_SHAPES[shape]}"{_data(data)}>{inner}</path>')

    def svg(self, label):
        """The element for a page, `label` being its text for those who cannot see it."""
        return (f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img" aria-label="{escape(label)}" '
                f'viewBox="0 0 {_px(self.width)} {_px(self.height)}" width="{_px(self.width)}" height="{_px(self.height)}">'
                f'<rect class="ground" width="100%" height="100%"/>{"".join(self.parts)}</svg>')


def _data(data):
    return "".join(f' data-{key}="{escape(value)}"' for key, value in (data or {}).items())


def style_sheet():
    with open(_STYLE, encoding="utf-8") as source:
        return source.read()


def standalone(svg):
    """The element as a file of its own."""
    head, mark, rest = svg.partition(">")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{head}{mark}<style>{style_sheet()}</style>{rest}\n"


# ---- parts of charts ----


@dataclass(frozen=True)
class Key:
    """An entry of a legend."""

    label: str
    style: str
    shape: str
    line: bool = False
    dashed: bool = False


def legend(canvas, keys, x, y, right):
    """Entries from x, wrapped at `right`; returns the y below them."""
    at = x
    for key in keys:
        width = (30 if key.line else 18) + LETTER * len(key.label) + 14
        if at > x and at + width > right:
            at, y = x, y + 19
        if key.line:
            canvas.curve([(at, y - 4), (at + 24, y - 4)], key.style, key.dashed)
        if key.shape:
            canvas.mark(key.shape, at + (12 if key.line else 6), y - 4, key.style)
        canvas.text(at + (30 if key.line else 18), y, key.label)
        at += width
    return y + 12


def x_axis(canvas, scale, top, bottom, show, label, room=70, ticks=()):
    """Ticks (round ones, if not told) with grid lines from top to bottom, and the axis' label below."""
    for tick in [t for t in ticks if scale.low <= t <= scale.high] or scale.ticks(room):
        x = scale.at(tick)
        canvas.line(x, top, x, bottom)
        canvas.parts.append(f'<text class="tick" data-tick="{tick:.15g}" x="{_px(x)}" y="{_px(bottom + 16)}" '
                            f'text-anchor="middle">{escape(show(tick))}</text>')
    canvas.line(min(scale.start, scale.end), bottom, max(scale.start, scale.end), bottom, "axis")
    middle = (scale.start + scale.end) / 2
    for row, part in enumerate(_wrapped(label, abs(scale.end - scale.start))):
        canvas.text(middle, bottom + 36 + 15 * row, part, "label", "middle")


def label_height(label, width):
    return 22 + 15 * len(_wrapped(label, width))


def _wrapped(label, width):
    lines = [""]
    for word in label.split():
        longer = (lines[-1] + " " + word).strip()
        if lines[-1] and len(longer) * LETTER > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def y_axis(canvas, scale, left, right, show, label, room=40):
    for tick in scale.ticks(room):
        y = scale.at(tick)
        canvas.line(left, y, right, y)
        canvas.text(left - 7, y + 4, show(tick), "tick", "end")
    canvas.line(left, min(scale.start, scale.end), left, max(scale.start, scale.end), "axis")
    canvas.text(13, (scale.start + scale.end) / 2, label, "label", "middle", turned=True)
