"""Runs one boot and turns its console into measurements.

Whatever was measured before a panic, a hang or a lost QEMU is kept; the outcome then says why the boot is incomplete
and where its console log is. The runner knows no machine: it is given a command line.
"""

import re
from dataclasses import dataclass, field

from perf import golines
from perf.console import Console

# A row of the longest kind takes a few seconds; a guest that says nothing for this long is stuck.
SILENCE_S = 60
# The whole default run takes less than this many seconds; one boot that takes longer is stuck in a loop that prints.
LIMIT_S = 600
# The first line of a kernel panic; what follows on the console belongs to it.
_PANIC = re.compile(r"^panic\b")
# Lines kept to show beside a failure.
TAIL_LINES = 40


@dataclass
class Outcome:
    """What one boot gave. `reason` is empty when it measured all it had planned."""

    measurements: list = field(default_factory=list)
    # names of all rows that were begun, in order
    started: list = field(default_factory=list)
    skipped: dict = field(default_factory=dict)
    failed: dict = field(default_factory=dict)
    reason: str = ""
    running: str = ""
    # what the kernel said in its panic, or where each CPU was when a stuck guest was given up
    panic: list = field(default_factory=list)
    # the last lines of the console
    tail: list = field(default_factory=list)
    log_path: str = ""
    log_error: str = ""


class _Reader:
    """Collects lines into an Outcome."""

    def __init__(self, outcome, progress, mode, landed):
        self.outcome = outcome
        self.finished = False
        self._progress = progress
        self._landed = landed
        self._unit = "ns/op" if mode == "time" else "instructions/op"

    def line(self, text):
        self.outcome.tail = (self.outcome.tail + [text])[-TAIL_LINES:]
        if self.outcome.panic or _PANIC.match(text):
            self.outcome.panic.append(text)
            return
        item = golines.parse(text)
        if isinstance(item, golines.Measurement):
            self.outcome.measurements.append(item)
            value = item.values.get(self._unit)
            locks = item.values.get("locks/op")  # debug kernels count them
            text = "" if value is None else f"{value:.15g} {self._unit}"
            if self._landed:  # before it is told: what one has read about is kept, whatever happens next
                self._landed(self.outcome)
            self._progress.done(item.name, text if locks is None else f"{text}  {locks:g} locks/op")
        elif isinstance(item, golines.Event):
            self._event(item)

    def _event(self, event):
        if event.kind == "start":
            self.outcome.running = event.value
            self.outcome.started.append(event.value)
            self._progress.row(event.value)
        elif event.kind == "skip":
            self.outcome.skipped[event.value] = event.reason
        elif event.kind == "fail":
            self.outcome.failed[event.value] = event.reason
            self._progress.message(f"{event.value}: FAILED: {event.reason}")
        elif event.kind == "done":
            self.finished = True
            self.outcome.running = ""


def _reason(console, reader):
    """Why the boot counts as incomplete, or an empty string."""
    at = f" in {reader.outcome.running}" if reader.outcome.running else ""
    if reader.outcome.panic:
        return f"the kernel panicked{at}"
    if console.how == "silent":
        return f"the guest hung{at}: no output for {SILENCE_S} s"
    if console.how == "late":
        return f"the guest was stopped{at} after {LIMIT_S} s"
    if console.status < 0:
        return f"QEMU was killed by signal {-console.status}{at}"
    if not reader.finished:
        return f"the guest ended{at} with status {console.status} before it was done"
    if console.status != 0 and not reader.outcome.failed:
        return f"the guest ended with status {console.status}"
    return ""


def run(command, mode, log_path, progress, on_hang=None, landed=None, silence_s=SILENCE_S, limit_s=LIMIT_S):
    """Boots `command`. `on_hang()` may return lines about a stuck guest before it is ended; `landed(outcome)` is called
    after each measurement."""
    outcome = Outcome(log_path=log_path)
    reader = _Reader(outcome, progress, mode, landed)
    console = Console(command, log_path, silence_s, limit_s)
    try:
        for line in console.lines():
            reader.line(line)
        outcome.log_error = console.log_error
        outcome.reason = _reason(console, reader)
        if console.how in ("silent", "late") and on_hang:
            outcome.panic.extend(on_hang())
    finally:
        console.close()
    return outcome
