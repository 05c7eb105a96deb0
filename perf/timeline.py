"""A trace as Chrome trace JSON: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU

  process "CPUs"      a track for each CPU: which thread ran, and interrupts inside it
  each process        a track for each thread: system calls, traps, faults, requests to the kernel, with their time of
                      waiting; single events as instants
  arrows              from the send of a message to its receive

All slices are complete events (ph X). What began before the trace, or goes on after it, ends with it and says so in
its arguments. The clock has steps (16 ns): events of one CPU within a step are drawn a nanosecond apart, in their order.
"""

import math
from dataclasses import dataclass, field

from perf import trace_events as ev

# Numbers of tracks that no process or thread has. 0 means something of its own to viewers.
CPUS_PROCESS = 1_000_001
KERNEL_PROCESS = 1_000_000
FIRST_CPU = 1_000_000

_LAUNCHD = "launchd"
_PREEMPTED = 1
_ACCESS = {1: "read", 2: "write", 4: "execute"}


@dataclass
class _Open:
    event: ev.Event
    name: str
    at: int
    args: dict


@dataclass
class _Run:
    thread: int
    since: int


@dataclass
class _Builder:
    """Where the walk over the events is. Times are nanoseconds since the first event."""

    trace: ev.Trace
    names: dict
    out: list = field(default_factory=list)
    stacks: dict = field(default_factory=dict)   # thread -> open slices, outermost first
    running: dict = field(default_factory=dict)  # cpu -> _Run
    interrupts: dict = field(default_factory=dict)  # cpu -> open interrupts
    messages: dict = field(default_factory=dict)  # message on its way -> its send
    tracks: set = field(default_factory=set)
    flows: int = 0
    unpaired: int = 0

    # ---- tracks ----

    def thread_track(self, thread):
        process, name = self.names.get(thread, (1, ""))
        kernel = process <= 1 and name != _LAUNCHD
        track = (KERNEL_PROCESS if kernel else process, thread)
        self.tracks.add(track)
        return track

    def cpu_track(self, cpu):
        track = (CPUS_PROCESS, FIRST_CPU + cpu)
        self.tracks.add(track)
        return track

    def label(self, thread):
        return f"{self.names.get(thread, (0, 'thread'))[1]} {thread}"

    # ---- output ----

    def slice(self, track, name, category, since, until, args):
        self.out.append({"ph": "X", "name": name, "cat": category, "ts": since, "dur": until - since,
                         "pid": track[0], "tid": track[1], "args": args})

    def instant(self, track, name, category, at, args):
        self.out.append({"ph": "i", "s": "t", "name": name, "cat": category, "ts": at, "pid": track[0],
                         "tid": track[1], "args": args})

    def flow(self, name, sent, received):
        self.flows += 1
        for phase, (track, at) in (("s", sent), ("f", received)):
            item = {"ph": phase, "id": self.flows, "name": name, "cat": "message", "ts": at, "pid": track[0],
                    "tid": track[1]}
            if phase == "f":
                item["bp"] = "e"
            self.out.append(item)

    # ---- events ----

    def begin(self, event, at, args):
        self.stacks.setdefault(event.thread, []).append(_Open(event, ev.name(event), at, args))

    def end(self, event, at, args):
        stack = self.stacks.setdefault(event.thread, [])
        kinds = [opened.event.kind for opened in stack]
        if event.kind in kinds:
            while stack:
                opened = stack.pop()
                matches = opened.event.kind == event.kind
                opened.args.update(args if matches else {"end": "lost"})
                self.slice(self.thread_track(event.thread), opened.name, ev.part(opened.event), opened.at, at, opened.args)
                if matches:
                    return
        elif not stack:
            args["began"] = "before the trace"
            self.slice(self.thread_track(event.thread), ev.name(event), ev.part(event), 0, at, args)
        else:
            self.unpaired += 1

    def switch(self, event, at):
        self.stop_running(event.cpu, at, {"then": "waits to run again" if event.args[0] == _PREEMPTED else "waits"})
        self.running[event.cpu] = _Run(event.args[1], at)

    def stop_running(self, cpu, at, args):
        run = self.running.pop(cpu, None)
        if run and self.names.get(run.thread, (0, ""))[1] != "idle":
            self.slice(self.cpu_track(cpu), self.label(run.thread), "running", run.since, at,
                       {"thread": run.thread, **args})

    def interrupt(self, event, at):
        stack = self.interrupts.setdefault(event.cpu, [])
        if event.function == ev.START:
            stack.append((at, event))
            return
        since, started = stack.pop() if stack else (0, event)
        self.slice(self.cpu_track(event.cpu), ev.name(started), "interrupts", since, at,
                   {"interrupted": "program" if started.args[2] else "kernel", "pc": f"{started.args[1]:#x}"})

    def message(self, event, at):
        track = self.thread_track(event.thread)
        number = event.args[2] - (1 << 32) if event.args[2] >> 31 & 1 else event.args[2]
        args = {"message id": number, "bytes": event.args[3], "port": f"{event.args[1]:#x}"}
        if not self.stacks.get(event.thread):
            # nothing around it that an arrow could touch: drawn one nanosecond long
            self.slice(track, ev.name(event), "ipc", at, at + 1, args)
        else:
            self.instant(track, ev.name(event), "ipc", at, args)
        if event.code == ev.SEND:
            self.messages[event.args[0]] = (track, at)
        elif event.args[0] in self.messages:
            self.flow(f"message {number}", self.messages.pop(event.args[0]), (track, at))

    def single(self, event, at):
        args = {"args": [f"{arg:#x}" for arg in event.args]}
        if event.code == ev.MAKE_RUNNABLE and ev.part(event) == "sched":
            args = {"thread": self.label(event.args[0]), "priority": event.args[1]}
        elif event.code == ev.REMOTE_AST and ev.part(event) == "sched":
            args = {"cpu": event.args[0]}
        elif event.kind == ev.LOST:
            args = {"events": event.args[0], "cpu": event.cpu}
        self.instant(self.thread_track(event.thread), ev.name(event), ev.part(event), at, args)

    def take(self, event, at):
        self.running.setdefault(event.cpu, _Run(event.thread, 0))
        place = (event.event_class, event.subclass)
        if place == ev.PARTS["sched"] and event.code in (ev.SWITCH, ev.HANDOFF):
            self.switch(event, at)
        elif place == ev.PARTS["interrupts"]:
            self.interrupt(event, at)
        elif place == ev.PARTS["sched"] and event.code == ev.IDLE:
            pass  # a gap in the CPU's track says it
        elif place == ev.PARTS["syscalls"] and event.code in ev.TRACE_CALLS:
            pass  # what it begins or ends for its program would cross it
        elif place == ev.PARTS["ipc"] and event.code in (ev.SEND, ev.RECEIVE):
            self.message(event, at)
        elif event.event_class == ev.TRACE or event.function not in (ev.START, ev.END):
            self.single(event, at)
        elif event.function == ev.START:
            self.begin(event, at, _arguments(event))
        else:
            self.end(event, at, _results(event))

    def finish(self, at):
        for cpu in list(self.running):
            self.stop_running(cpu, at, {"then": "the trace ends"})
        for cpu, stack in self.interrupts.items():
            for since, started in stack:
                self.slice(self.cpu_track(cpu), ev.name(started), "interrupts", since, at, {"end": "after the trace"})
        for thread, stack in self.stacks.items():
            for opened in stack:
                opened.args["end"] = "after the trace"
                self.slice(self.thread_track(thread), opened.name, ev.part(opened.event), opened.at, at, opened.args)


def _arguments(event):
    if event.kind == ev.FAULT:
        return {"address": f"{event.args[1]:#x}", "access": _ACCESS.get(event.args[3], event.args[3])}
    if event.kind == ev.MARK:
        return {"operations": event.args[0]}
    if event.event_class == ev.MIG:
        return {}
    return {"args": [f"{arg:#x}" for arg in event.args]}


def _results(event):
    if event.event_class == ev.BSD:
        return {"errno": event.args[0]} if event.args[0] else {"result": event.args[1]}
    if event.kind == ev.FAULT:
        return {"result": event.args[2]}
    return {"result": f"{event.args[0]:#x}"} if event.event_class == ev.MACH else {}


def _times(trace):
    """Nanoseconds of each event since the first; within a step of the clock, order on the CPU is kept."""
    first = trace.events[0].time if trace.events else 0
    latest = {}
    for event in trace.events:
        at = (event.time - first) * 10**9 // trace.clock_hz
        at = max(at, latest.get(event.cpu, -1) + 1)
        latest[event.cpu] = at
        yield event, at


def _metadata(builder):
    def item(kind, track, value):
        key = "sort_index" if kind.endswith("sort_index") else "name"
        return {"ph": "M", "name": kind, "pid": track[0], "tid": track[1], "args": {key: value}}

    processes = {}
    for process, tid in sorted(builder.tracks):
        if process == CPUS_PROCESS:
            processes[process] = ("CPUs", -1)
            yield item("thread_name", (process, tid), f"CPU {tid - FIRST_CPU}")
        elif process == KERNEL_PROCESS:
            processes[process] = ("kernel_task", 10**6)
            yield item("thread_name", (process, tid), builder.label(tid))
        else:
            processes[process] = (builder.names[tid][1], process)
            yield item("thread_name", (process, tid), builder.label(tid))
        yield item("thread_sort_index", (process, tid), tid)
    for process, (name, order) in processes.items():
        yield item("process_name", (process, 0), name)
        yield item("process_sort_index", (process, 0), order)


def _duration(ts, end):
    """What a viewer must add to ts to get exactly end: slices that touch shall not seem to overlap by a rounding."""
    dur = end - ts
    while ts + dur > end:
        dur = math.nextafter(dur, 0)
    while ts + dur < end:
        dur = math.nextafter(dur, math.inf)
    return dur


def _microseconds(item):
    if "dur" in item:
        item["dur"] = _duration(item["ts"] / 1000, (item["ts"] + item["dur"]) / 1000)
    item["ts"] /= 1000
    return item


def build(trace, about):
    """The document; `about` goes into otherData. Also returns the number of arrows and of ends without a beginning."""
    builder = _Builder(trace, ev.thread_names(trace))
    at = 0
    # the CPUs' clocks are one, but an event may be drawn later than its time: order by what is drawn
    for event, at in sorted(_times(trace), key=lambda pair: pair[1]):
        builder.take(event, at)
    builder.finish(at)
    order = {"X": 0, "i": 1, "s": 2, "f": 3}
    drawn = sorted(builder.out, key=lambda i: (i["ts"], order[i["ph"]], -i.get("dur", 0)))
    document = {
        "traceEvents": list(_metadata(builder)) + [_microseconds(item) for item in drawn],
        "displayTimeUnit": "ns",
        "otherData": {"benchmark": trace.name, "operations": trace.iterations, "events": len(trace.events),
                      "lost": trace.lost, "clock_hz": trace.clock_hz, **about},
    }
    return document, builder.flows, builder.unpaired


def listing(trace):
    """The events as text, one a line, in the manner of XNU's trace tool."""
    names = ev.thread_names(trace)
    first = trace.events[0].time if trace.events else 0
    before = first
    marks = {ev.START: "{", ev.END: "}"}
    yield f"{'ns':>12} {'(+)':>9} cpu  thread"
    for event in trace.events:
        at, since = ((t * 10**9) // trace.clock_hz for t in (event.time - first, event.time - before))
        before = event.time
        label = f"{names.get(event.thread, (0, '?'))[1]} {event.thread}"
        args = " ".join(f"{arg:x}" for arg in event.args)
        yield (f"{at:12} {since:9} {event.cpu:3}  {label:20.20} {marks.get(event.function, ' ')} {ev.name(event):32} {args}")
