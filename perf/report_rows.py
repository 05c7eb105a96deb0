"""The result files of a folder joined: every measured figure of one guest, by family, mode and machine size."""

import re
from dataclasses import dataclass

# The order in which families are read; others follow by name.
_ORDER = ("syscall", "ipc", "sched", "sync", "wake", "vm", "proc", "file", "signal", "boot", "kernel", "scale")
ABOUT = {
    "syscall": "What a trap costs, and what is had without one.",
    "ipc": "Mach messages, semaphores and ports; a round trip is request and reply.",
    "sched": "Switching between threads and tasks, creating threads.",
    "sync": "User-space locks.",
    "wake": "How long after its wake-up call a thread runs: distributions, on idle and on loaded CPUs.",
    "vm": "Faults, copy-on-write, allocation, mapping, protection.",
    "proc": "Processes from birth to death.",
    "file": "Files, pipes and sockets.",
    "signal": "Sending and taking signals.",
    "boot": "From the kernel's first instruction to the first user one.",
    "kernel": "Mechanisms measured inside the kernel.",
    "scale": "The same operation on one CPU and on several at once, in one boot of one machine.",
}
_WORKERS = re.compile(r"^(.*)/threads:(\d+)$")


@dataclass(frozen=True)
class Entry:
    """One row of one result file. `several`: other files of the folder hold the row on other machine sizes."""

    name: str
    result: object
    several: bool = False

    @property
    def mode(self):
        return self.result.mode

    @property
    def cpus(self):
        return self.result.cpus

    @property
    def family(self):
        return self.name.split("/")[0]

    @property
    def label(self):
        return f"{self.name} on {self.cpus} CPU{'s' if self.cpus > 1 else ''}" if self.several else self.name

    @property
    def value(self):
        return self.result.value(self.name)

    @property
    def workers(self):
        """(row, workers) of a scaling row, or None."""
        match = _WORKERS.match(self.name)
        return (match.group(1), int(match.group(2))) if match else None

    def counter(self, name):
        return self.result.counter(self.name, name)


def own_guest(loaded):
    """Whose page it is: Pluot's where it was measured."""
    guests = sorted({result.guest for result in loaded})
    return "pluot" if "pluot" in guests else guests[0]


def entries(loaded, guest, mode=None):
    """All rows of a guest, in the order of the files."""
    chosen = [r for r in loaded if r.guest == guest and mode in (None, r.mode)]
    sizes = {}
    for result in chosen:
        for name in result.rows:
            sizes.setdefault((name, result.mode), set()).add(result.cpus)
    return [Entry(name, r, len(sizes[name, r.mode]) > 1) for r in chosen for name in r.rows]


def families(found):
    """{family: its entries}, in the order of reading."""
    names = sorted({e.family for e in found}, key=lambda f: (_ORDER.index(f) if f in _ORDER else len(_ORDER), f))
    return {name: [e for e in found if e.family == name] for name in names}


def scaling(found):
    """{row and machine: {workers: operations a second}} of the time-mode entries that have workers."""
    curves = {}
    for entry in found:
        speed = entry.counter("items_per_second")
        if entry.mode == "time" and entry.workers and speed:
            name, workers = entry.workers
            label = f"{name} on {entry.cpus} CPUs" if entry.several else name
            curves.setdefault(label, {})[workers] = speed
    return curves
