"""Call stacks with weights, and the texts in which tools exchange them.

A frame has the name of its function and says whether it is the kernel's; a stack is a tuple of frames, outermost first.
What a stack weighs has a unit: instructions, or nanoseconds.

Two texts are written, and read back strictly (`x test` reads all that it writes):
  folded stacks      "main;call;mach_msg;trap_[k] 1234", a line for each stack; the kernel's functions end with _[k]
  perf script text   a sample a paragraph, as `perf script` prints it: FlameGraph's stackcollapse-perf.pl, speedscope,
                     Firefox Profiler and Perfetto open it
"""

import collections
import re
from dataclasses import dataclass

KERNEL_MARK = "_[k]"
KERNEL_DSO = "[kernel.kallsyms]"  # viewers colour the kernel's frames by this name


class StackError(Exception):
    """A text that is not what it should be; the message is one line."""


@dataclass(frozen=True)
class Frame:
    """A function on a stack. `address` and `offset` (into the function) are where in it; they do not tell frames apart
    in folded stacks."""

    name: str
    kernel: bool = False
    address: int = 0
    offset: int = 0
    dso: str = ""


@dataclass(frozen=True)
class Sample:
    """One sample: where a thread was at a time. `weight` is what it stands for, `frames` outermost first."""

    comm: str
    pid: int
    tid: int
    cpu: int
    time_ns: int
    weight: int
    frames: tuple


# ---- folded stacks ----


def label(frame):
    """A frame's name in folded stacks."""
    return frame.name.replace(";", ":").replace("\n", " ") + (KERNEL_MARK if frame.kernel else "")


def fold(weighted):
    """{("main", "trap_[k]"): weight} of (frames, weight) pairs."""
    folded = collections.Counter()
    for frames, weight in weighted:
        folded[tuple(label(frame) for frame in frames)] += weight
    return folded


def folded_text(folded):
    return "".join(f"{';'.join(names)} {weight}\n" for names, weight in sorted(folded.items()))


def read_folded(text):
    """The Counter that folded_text wrote."""
    folded = collections.Counter()
    for number, line in enumerate(text.splitlines(), 1):
        names, _, weight = line.rpartition(" ")
        if not names or not weight.isdigit() or "" in names.split(";"):
            raise StackError(f"line {number} is no folded stack: {line[:60]}")
        folded[tuple(names.split(";"))] += int(weight)
    return folded


# ---- perf script text ----

_HEAD = re.compile(r"(?P<comm>\S.{0,14}?) +(?P<pid>\d+)/(?P<tid>\d+) +\[(?P<cpu>\d{3,})\] +(?P<s>\d+)\.(?P<us>\d{6}): +"
                   r"(?P<weight>\d+) (?P<event>[\w-]+): $")
_FRAME = re.compile(r"\t *(?P<address>[0-9a-f]+) (?P<name>\S+)\+0x(?P<offset>[0-9a-f]+) \((?P<dso>\S+)\)$")


def script_text(samples, event):
    """perf script text; `event` is what the weights count."""
    return "".join(_paragraph(sample, event) for sample in samples)


def _paragraph(sample, event):
    seconds, rest = divmod(sample.time_ns, 1000000000)
    lines = [f"{sample.comm} {sample.pid:>5}/{sample.tid:<5} [{sample.cpu:03}] {seconds}.{rest // 1000:06}: "
             f"{sample.weight:>10} {event}: "]
    for frame in reversed(sample.frames):
        dso = KERNEL_DSO if frame.kernel else frame.dso or "[unknown]"
        lines.append(f"\t{frame.address:16x} {frame.name.replace(' ', '_')}+0x{frame.offset:x} ({dso})")
    return "\n".join(lines) + "\n\n"


def _frame(line, number):
    told = _FRAME.match(line)
    if not told:
        raise StackError(f"line {number} is no frame: {line[:60]}")
    kernel = told["dso"] == KERNEL_DSO
    return Frame(told["name"], kernel, int(told["address"], 16), int(told["offset"], 16), "" if kernel else told["dso"])


def read_script(text):
    """(samples, event) of perf script text: one event, every sample closed by an empty line, no empty stack."""
    samples, event, paragraph = [], "", []
    if text and not text.endswith("\n\n"):
        raise StackError("the last sample is cut")
    for number, line in enumerate(text.splitlines(), 1):
        if line:
            paragraph.append((number, line))
            continue
        (at, head), *frames = paragraph or [(number, "")]
        told = _HEAD.match(head)
        if not told or not frames:
            raise StackError(f"line {at} begins no sample: {head[:60]}")
        if event not in ("", told["event"]):
            raise StackError(f"line {at}: another event: {told['event']}")
        event = told["event"]
        time_ns = int(told["s"]) * 1000000000 + int(told["us"]) * 1000
        samples.append(Sample(told["comm"], int(told["pid"]), int(told["tid"]), int(told["cpu"]), time_ns,
                              int(told["weight"]), tuple(_frame(line, n) for n, line in reversed(frames))))
        paragraph = []
    return samples, event
