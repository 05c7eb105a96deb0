"""Events of the kernel trace, from the lines of a guest's console (bench/harness/trace.h says how they look), and
their names, which come from the ABI tables."""

import functools
import os
import re
from dataclasses import dataclass, field

from abi.table import Tables
from perf import machine

_BEGIN = re.compile(r"bench-trace: (\S+) iterations (\d+) clock (\d+)$")
_THREAD = re.compile(r"bench-thread: ([0-9a-f]+) (-?\d+) (.*)$")
_EVENT = re.compile(r"bench-event: (\d+) (\d+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)$")
_END = re.compile(r"bench-trace-end: (\S+) events (\d+) lost (\d+)$")

# <mach/kdebug.h>
START, END = 1, 2
MACH, BSD, TRACE, APPS, MIG = 1, 4, 7, 33, 255
INTERRUPTS, CALLS, IPC, VM, SCHED = 0x05, 0x0C, 0x20, 0x30, 0x40
SEND, RECEIVE = 3, 4
SWITCH, HANDOFF, MAKE_RUNNABLE, IDLE, REMOTE_AST = 0x0, 0x2, 0x6, 0x9, 0x15
NEWTHREAD, EXEC = 0x07000004, 0x07000008
STRING_NEWTHREAD, STRING_EXEC, STRING_THREADNAME = 0x07010004, 0x07010008, 0x07010010
LOST = 0x07020008
TRACE_CALLS = (178, 179, 180)  # by which programs make events
MARK = 0x21BE0004
FAULT = 0x01300008

CLASSES = {MACH: "mach", 2: "network", 3: "fsystem", BSD: "bsd", 5: "iokit", 6: "drivers", TRACE: "trace", 8: "dlil",
           9: "pthread", 10: "corestorage", 12: "monotonic", 20: "misc", 30: "security", 31: "dyld", APPS: "apps",
           34: "launchd", 37: "perf", 38: "importance", 40: "bank", 41: "xpc", 44: "daemon", 46: "dispatch",
           53: "turnstile", MIG: "mig"}

# What --filter takes beside the classes: the parts that the kernel has points in.
PARTS = {"interrupts": (MACH, INTERRUPTS), "traps": (MACH, CALLS), "ipc": (MACH, IPC), "vm": (MACH, VM),
         "sched": (MACH, SCHED), "syscalls": (BSD, CALLS)}


class TraceError(Exception):
    """The trace cannot be trusted, or could not be taken; the message is one line."""


@dataclass(frozen=True)
class Event:
    """One record. `id` has the function bits; `time` is in ticks of the clock."""

    cpu: int
    time: int
    id: int
    thread: int
    args: tuple

    @property
    def kind(self):
        """The id without the function."""
        return self.id & ~3

    @property
    def function(self):
        return self.id & 3

    @property
    def event_class(self):
        return self.id >> 24

    @property
    def subclass(self):
        return self.id >> 16 & 0xFF

    @property
    def code(self):
        return self.id >> 2 & 0x3FFF


@dataclass
class Trace:
    """All events of one traced batch, oldest first. threads: number -> (process, name)."""

    name: str
    iterations: int
    clock_hz: int
    lost: int = 0
    threads: dict = field(default_factory=dict)
    events: list = field(default_factory=list)


def parse(lines):
    """The trace in a console's lines; refused when a line is missing."""
    trace, ended = None, None
    for line in lines:
        line = line.rstrip("\r\n")
        if not line.startswith("bench-"):
            continue
        if match := _EVENT.match(line):
            _need(trace)
            words = match.groups()
            trace.events.append(Event(int(words[0]), int(words[1]), int(words[2], 16), int(words[3], 16),
                                      tuple(int(word, 16) for word in words[4:])))
        elif match := _THREAD.match(line):
            _need(trace).threads[int(match[1], 16)] = (int(match[2]), match[3])
        elif match := _BEGIN.match(line):
            trace = Trace(match[1], int(match[2]), int(match[3]))
        elif match := _END.match(line):
            ended = int(match[2])
            _need(trace).lost = int(match[3])
    if trace is None or ended is None:
        raise TraceError("the guest's console has no whole trace")
    if ended != len(trace.events):
        raise TraceError(f"{ended - len(trace.events)} of {ended} events are missing on the console")
    return trace


def _need(trace):
    if trace is None:
        raise TraceError("events before the beginning of a trace")
    return trace


# ---- names ----


@functools.lru_cache(maxsize=None)
def _tables():
    tables = Tables()
    for path in ("osfmk/mach/mach_traps.abi", "bsd/sys/syscalls.abi", "osfmk/mach/mig.abi", "iokit/IOKit/iokit.abi"):
        tables.load(os.path.join(machine.ROOT, path))
    return ({e.number: e.name for e in tables.traps}, {e.number: e.name for e in tables.calls},
            {e.number: e.name for e in tables.routines()})


_TRAPS_OUTSIDE = {3: "mach_absolute_time", 4: "mach_continuous_time"}
_SINGLE = {
    (MACH, IPC, SEND): "send", (MACH, IPC, RECEIVE): "receive", (MACH, SCHED, SWITCH): "switch",
    (MACH, SCHED, HANDOFF): "handoff", (MACH, SCHED, MAKE_RUNNABLE): "make runnable", (MACH, SCHED, IDLE): "idle",
    (MACH, SCHED, REMOTE_AST): "signal CPU",
}
_BY_KIND = {FAULT: "page fault", NEWTHREAD: "new thread", EXEC: "exec", STRING_NEWTHREAD: "new thread's process",
            STRING_EXEC: "exec's program", STRING_THREADNAME: "thread name", LOST: "lost events", MARK: "batch",
            0x07010000: "string"}


def name(event):
    """What an event is called, the same for its beginning and its end."""
    traps, calls, routines = _tables()
    place = (event.event_class, event.subclass)
    if place == (MACH, CALLS):
        return traps.get(event.code) or _TRAPS_OUTSIDE.get(event.code) or f"trap {event.code}"
    if place == (BSD, CALLS):
        return calls.get(event.code) or f"syscall {event.code}"
    if place == (MACH, INTERRUPTS):
        return f"interrupt {event.args[0]}"
    if event.event_class == MIG:
        number = event.id >> 2 & 0x3FFFFF
        return routines.get(number) or f"request {number}"
    known = _SINGLE.get(place + (event.code,)) or _BY_KIND.get(event.kind)
    return known or f"{CLASSES.get(event.event_class, event.event_class)} {event.subclass:#x} {event.code:#x}"


def part(event):
    """What an event counts under in a summary."""
    for word, place in PARTS.items():
        if place == (event.event_class, event.subclass):
            return word
    return CLASSES.get(event.event_class, str(event.event_class))


def text_of(event):
    """The characters that an event of a string carries."""
    data = b"".join(arg.to_bytes(8, "little") for arg in event.args)
    return data.split(b"\0", 1)[0].decode("utf-8", "replace")


def filter_types(words):
    """--filter's words as the guest takes them, such as "1.64,4"; KeyError for an unknown one."""
    numbers = {word: f"{c}.{s}" for word, (c, s) in PARTS.items()}
    numbers.update({word: str(number) for number, word in CLASSES.items()})
    return ",".join(numbers[word] for word in words)


def filter_words():
    return [*PARTS, *CLASSES.values()]


def thread_names(trace):
    """number -> (process, name), with what the events tell of threads and programs that are newer than the map."""
    names = dict(trace.threads)
    new, program = {}, {}
    for event in trace.events:
        if event.kind == NEWTHREAD:
            new[event.thread] = (event.args[0], event.args[1])
        elif event.kind == STRING_NEWTHREAD and event.function & START and event.thread in new:
            thread, process = new.pop(event.thread)
            names[thread] = (process, text_of(event) or names.get(event.thread, (0, "?"))[1])
        elif event.kind == EXEC:
            program[event.thread] = event.args[0]
        elif event.kind == STRING_EXEC and event.function & START and event.thread in program:
            process = program.pop(event.thread)
            names.update({t: (p, text_of(event)) for t, (p, _) in names.items() if p == process})
        elif event.kind == STRING_THREADNAME and event.function & START and event.thread in names:
            names[event.thread] = (names[event.thread][0], text_of(event))
    return names
