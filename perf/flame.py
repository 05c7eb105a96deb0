"""A flame graph as one SVG file that needs nothing else: width is weight, a function stands on its caller, callers of one
name are merged. It is a picture without a script; in a browser a click zooms, and there is a search field.
"""

import os
import zlib
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from perf import stacks

_HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH = 1200
_SIDE = 12
_ROW = 18  # height of a frame
_LETTER = 6.7  # width of a letter in a frame
_HEAD, _FOOT = 76, 34
# Narrower than this share of the whole is left out: nobody can see it, and zooming in has its limits.
_LEAST = 0.0001
ALL = "all"


@dataclass
class Node:
    """A function under one chain of callers."""

    name: str
    total: int = 0
    below: dict = field(default_factory=dict)

    def add(self, names, weight):
        self.total += weight
        if names:
            self.below.setdefault(names[0], Node(names[0])).add(names[1:], weight)


@dataclass(frozen=True)
class Box:
    """A frame's place: edges as shares of the whole."""

    name: str
    left: float
    right: float
    depth: int
    total: int


def tree(folded):
    """The calls of a Counter of folded stacks."""
    root = Node(ALL)
    for names, weight in folded.items():
        root.add(names, weight)
    return root


def boxes(root):
    """Boxes of a tree, callers first, children in the order of their names."""
    if not root.total:
        return []
    found, left = [], [(root, 0, 0)]
    while left:
        node, begin, depth = left.pop()
        if node.total < root.total * _LEAST:
            continue
        found.append(Box(node.name, begin / root.total, (begin + node.total) / root.total, depth, node.total))
        for name in sorted(node.below):
            left.append((node.below[name], begin, depth + 1))
            begin += node.below[name].total
    return sorted(found, key=lambda box: (box.depth, box.left))


def _colour(name):
    if name.startswith("["):
        return "m0"
    return ("k" if name.endswith(stacks.KERNEL_MARK) else "u") + str(zlib.crc32(name.encode()) % 3)


def _plain(name):
    return name.removesuffix(stacks.KERNEL_MARK)


def _fit(name, room):
    most = int((room - 6) / _LETTER)
    return name if most >= len(name) else "" if most < 3 else name[:most - 1] + "…"


def _number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


def _frame(box, height, divisor, unit):
    inner = WIDTH - 2 * _SIDE
    x, wide = _SIDE + box.left * inner, (box.right - box.left) * inner
    y = height - _FOOT - (box.depth + 1) * _ROW
    name = _plain(box.name)
    where = " (kernel)" if box.name.endswith(stacks.KERNEL_MARK) else ""
    told = f"{name}{where}\n{_number(box.total / divisor)} {unit}, {100 * (box.right - box.left):.2f} %"
    return (f'<g class="f" tabindex="0" data-n={quoteattr(name)} data-l="{box.left:.9f}" data-r="{box.right:.9f}" '
            f'data-d="{box.depth}"><title>{escape(told)}</title>'
            f'<rect class="{_colour(box.name) if box.depth else "m0"}" x="{x:.2f}" y="{y}" '
            f'width="{max(wide - 0.5, 0.1):.2f}" height="{_ROW - 1}" rx="1.5"/>'
            f'<text x="{x + 3:.2f}" y="{y + 12.5}">{escape(_fit(name, wide))}</text></g>')


def _legend(y):
    words, x = [], _SIDE
    for colour, text in (("k0", "kernel"), ("u0", "program"), ("m0", "no code of its own: whole, idle, masked")):
        words.append(f'<rect class="{colour}" x="{x}" y="{y - 10}" width="12" height="12" rx="2"/>'
                     f'<text class="key" x="{x + 17}" y="{y}">{text}</text>')
        x += 36 + 7 * len(text)
    return "".join(words)


def _read(name):
    with open(os.path.join(_HERE, name), encoding="utf-8") as text:
        return text.read()


def svg(folded, title, about, unit, divisor=1):
    """The picture of a Counter of folded stacks. What is shown is weight / divisor, in `unit`; `about` is one line that
    says where the stacks come from."""
    found = boxes(tree(folded))
    if not found:
        raise stacks.StackError(f"{title}: no stack to draw")
    height = _HEAD + _FOOT + _ROW * (max(box.depth for box in found) + 1)
    whole = f"width: {_number(found[0].total / divisor)} {unit}. Click a frame to zoom, Esc or the lowest frame to return."
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label={quoteattr(title)}>',
        f"<title>{escape(title)}</title>",
        f"<style>{_read('flame.css')}</style>",
        f'<rect id="back" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{_SIDE}" y="26">{escape(title)}</text>',
        f'<text class="about" x="{_SIDE}" y="45">{escape(about)}</text>',
        _legend(64),
        f'<text id="reset" x="{WIDTH - 310}" y="64">reset zoom</text>',
        f'<text id="found" x="{WIDTH - 310}" y="26"></text>',
        f'<foreignObject x="{WIDTH - 212}" y="10" width="200" height="26">'
        '<input xmlns="http://www.w3.org/1999/xhtml" id="field" type="search" placeholder="search ( / )" '
        'aria-label="search"/></foreignObject>',
        f'<g id="frames" data-x="{_SIDE}" data-w="{WIDTH - 2 * _SIDE}" data-c="{_LETTER}">',
        *(_frame(box, height, divisor, unit) for box in found),
        "</g>",
        f'<text id="told" x="{_SIDE}" y="{height - 12}">{escape(whole)}</text>',
        f"<script>//<![CDATA[\n{_read('flame.js')}//]]></script>",
        "</svg>", ""])
