"""What there is to run, and on which machine.

A benchmark is registered by one line of C, `BENCHMARK("family/case/arg", function, .cpus = 2);` in bench/guest or
`KBENCH("kernel/case", function);` in bench/kernel. The host reads the same lines, so that names and choices are
known before anything boots and the list lives in one place.
"""

import os
import re
from dataclasses import dataclass

_LINE = re.compile(r"^(?:BENCHMARK|KBENCH)(\(.*)$", re.MULTILINE)
_REGISTRATION = re.compile(r'^\("(?P<name>[a-z][A-Za-z0-9_./:]*)",\s*\w+(?P<options>[^()]*)\);$')
_CPUS = re.compile(r"\.cpus = (\d+)")
_WORKERS = re.compile(r"\.(?:workers|processes) = true")
_TIMED = re.compile(r"\.timed = true")


class SuiteError(Exception):
    """A registration line that the host cannot read."""


@dataclass(frozen=True)
class Row:
    """cpus: smallest machine the row makes sense on; workers: measured with /threads:N inside one boot; timed: in time
    mode only."""

    name: str
    cpus: int
    workers: bool
    in_kernel: bool
    timed: bool = False


def _rows_of(path, in_kernel):
    with open(path, encoding="utf-8") as source:
        text = source.read()
    for match in _LINE.finditer(text):
        line = _REGISTRATION.match(match.group(1).strip())
        if not line:
            raise SuiteError("%s: a registration must stand on one line: %s" % (path, match.group(0)))
        cpus = _CPUS.search(line["options"])
        workers = bool(_WORKERS.search(line["options"]))
        yield Row(line["name"], int(cpus.group(1)) if cpus else 1, workers, in_kernel, bool(_TIMED.search(line["options"])))


def _is_for(guest, name):
    """Files of one system alone say so in their name."""
    other = "_mach.c" if guest.startswith("linux") else "_linux.c"
    return name.endswith(".c") and not name.endswith(other)


def rows(root, guest="pluot"):
    """Every registered row of a guest, in the order of files and lines."""
    found = []
    for folder, in_kernel in (("bench/guest", False), ("bench/kernel", True)):
        path = os.path.join(root, folder)
        if not os.path.isdir(path) or (in_kernel and guest != "pluot"):
            continue
        for name in sorted(os.listdir(path)):
            if _is_for(guest, name):
                found.extend(_rows_of(os.path.join(path, name), in_kernel))
    names = [row.name for row in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SuiteError("registered twice: %s" % ", ".join(twice))
    return found


def select(all_rows, pattern):
    """Rows whose name the regular expression finds; "" selects all."""
    expression = re.compile(pattern)
    return [row for row in all_rows if expression.search(row.name)]


@dataclass(frozen=True)
class Boot:
    """One start of the guest: mode, machine size, rows to measure and numbers of workers for scaling rows."""

    mode: str
    cpus: int
    rows: tuple
    workers: tuple


def worker_counts(cpus):
    """1, 2, 4 ... up to the machine, and the machine itself."""
    counts = [1]
    while counts[-1] * 2 <= cpus:
        counts.append(counts[-1] * 2)
    if counts[-1] != cpus:
        counts.append(cpus)
    return tuple(counts)


# A 1-CPU machine makes QEMU compile atomics as plain accesses, so wall time there compares with nothing.
SMALLEST_TIME_MACHINE = 2


def plan(selected, modes, cpus):
    """The boots of a run. Without `cpus` each row runs once a mode, on the smallest machine that shows it."""
    boots = []
    for mode in modes:
        for size in cpus or _default_sizes(selected, mode):
            chosen = tuple(r for r in selected if _fits(r, mode, size, bool(cpus)))
            if chosen:
                boots.append(Boot(mode, size, chosen, worker_counts(size)))
    return boots


def _default_sizes(selected, mode):
    if mode == "time":
        return [SMALLEST_TIME_MACHINE]
    return sorted({row.cpus for row in selected if not row.timed})


def _fits(row, mode, size, asked):
    if row.timed and mode != "time":
        return False
    if mode != "time" and not asked:
        return row.cpus == size
    return row.cpus <= size
