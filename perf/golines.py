"""Reads what a guest writes while it measures.

Wire format: Go benchmark text (one line a measurement, `BenchmarkFamily/case/arg  N  value unit ...`) and the
lower-case `bench-*: value` configuration lines below. Every other console line belongs to somebody else and is
ignored, so the format survives a noisy console. No state is kept here: a line is read by itself.

  bench-plan: 24              how many rows this boot will measure
  bench-start: ipc/rpc_inline/64
  bench-skip: NAME REASON     the machine lacks what the row needs ("not supported" is not zero)
  bench-fail: NAME REASON     the row ran and its own check found the work not done
  bench-done: 23              how many rows were measured; the guest has finished
"""

import re
from dataclasses import dataclass, field

_NAME = r"Benchmark[A-Z][A-Za-z0-9_]*(?:/[A-Za-z0-9_.:=+-]+)*"
_LINE = re.compile(r"(?:^|\r)(%s)[ \t]+(\d+)[ \t]+(\S.*?)[ \t\r]*$" % _NAME)
_EVENT = re.compile(r"(?:^|\r)bench-(plan|start|skip|fail|done): (\S.*?)[ \t\r]*$")


@dataclass(frozen=True)
class Measurement:
    """One benchmark line. `values` maps the unit as written ("ns/op", "p99-ns") to its number."""

    name: str
    iterations: int
    values: dict = field(hash=False)


@dataclass(frozen=True)
class Event:
    """One bench-* line: kind is plan, start, skip, fail or done; reason is empty except for skip and fail."""

    kind: str
    value: str
    reason: str = ""


def plain_name(wire_name):
    """BenchmarkSyscall/null_unix -> syscall/null_unix"""
    family = wire_name[len("Benchmark"):]
    return family[0].lower() + family[1:]


def _values(text):
    """value/unit pairs of a line, or None when the text is something else"""
    words = text.split()
    if len(words) % 2:
        return None
    values = {}
    for number, unit in zip(words[::2], words[1::2]):
        try:
            values[unit] = float(number)
        except ValueError:
            return None
    return values


def parse(line):
    """A Measurement, an Event, or None for a line that is not ours."""
    match = _LINE.search(line)
    if match:
        values = _values(match.group(3))
        if values:
            return Measurement(plain_name(match.group(1)), int(match.group(2)), values)
        return None
    match = _EVENT.search(line)
    if not match:
        return None
    kind, value = match.groups()
    reason = ""
    if kind in ("skip", "fail"):
        value, _, reason = value.partition(" ")
    return Event(kind, value, reason)
