"""Pluot beside Linux, row by row: what stands for what, and by how much.

A row of Linux that has the name of one of ours does the same operation. Where Linux has no such operation, or several
ways to it, its rows are called family/linux_WAY/arg; the cheapest of those that do what ours does is the comparison,
and all of them are told. A row that one side lacks is listed.
"""

import re
from dataclasses import dataclass, field

from perf import stats

LEAN, DEFAULT = "linux", "linuxdefault"
OWN = "pluot"

# Differences below this are called alike: rebuilding a program moves its rows by as much.
ALIKE = 0.03

_CHANNELS = "(?:pipe|stream|dgram|seqpacket|mq|eventfd|futex)"
# our row, and the rows of Linux that do the same; {0} is what the first group of ours matched
_WAYS = [(re.compile(own), ways) for own, ways in (
    (r"^ipc/rpc_inline(?:_fp)?/(\d+)$", rf"^ipc/linux_{_CHANNELS}/{{0}}$"),
    (r"^ipc/rpc_ool/(\d+)$", rf"^ipc/linux_bulk_{_CHANNELS}/{{0}}$"),
    (r"^ipc/rpc_cross_cpu/(\d+)$", rf"^ipc/linux_cross_cpu_{_CHANNELS}/{{0}}$"),
    (r"^ipc/send_recv_self/(\d+)$", rf"^ipc/linux_self_{_CHANNELS}/{{0}}$"),
    (r"^ipc/(port_lifecycle)$", r"^ipc/linux_lifecycle_\w+$"),
    (r"^syscall/(null_mach)$", r"^syscall/linux_no_such_call$"),
    (r"^syscall/(thread_self)$", r"^syscall/linux_gettid$"),
    (r"^proc/(spawn_wait)$", r"^proc/linux_\w*(?:exec|spawn)\w*_wait$"),
)]

# What does not show in the figures: how the two operations differ.
_NOTES = [(re.compile(own), note) for own, note in (
    (r"^ipc/rpc_(inline|cross_cpu)", "futex and eventfd: the payload is copied into and out of shared memory by the programs; "
     "nothing is checked, queued or named. The other ways carry it themselves"),
    (r"^ipc/rpc_inline_fp/", "Linux keeps vector registers at every switch: the rows of rpc_inline stand here too"),
    (r"^ipc/rpc_ool/", "Linux copies the bytes; here the pages move. The receiver reads them on neither side, the reply is small"),
    (r"^ipc/port_lifecycle$", "a pipe, or an eventfd, made and closed"),
    (r"^syscall/null_mach$", "a call number that means nothing"),
    (r"^syscall/thread_self$", "gettid: a number, where ours is a reference to a port"),
    (r"^syscall/commpage_time$", "clock_gettime in the vDSO, which converts to nanoseconds; ours returns ticks"),
    (r"^vm/fault_(zero_fill|cow)$", "16 KiB: four faults with Linux's pages of 4 KiB, one with ours"),
    (r"^vm/map_touch_unmap/", "Linux takes a fault for each 4 KiB, Pluot for each 16 KiB"),
    (r"^vm/exception_roundtrip$", "a SIGSEGV handler in the same thread; ours is a message to another thread and back"),
    (r"^vm/asid_reuse/", "Linux's processes take turns under SCHED_FIFO"),
    (r"^proc/spawn_wait$", "Linux's program has no C library, ours has libSystem; with one: proc/linux_spawn_libc_wait"),
    (r"^file/kevent_ready$", "epoll_wait"),
    (r"^wake/(?!timer)", "futex, where ours is ulock"),
    (r"^wake/timer/timeshare", "Linux lets timers of ordinary threads be 50 us late, to take several at once"),
    (r"^wake/.*/realtime", "SCHED_FIFO, where ours is a time constraint"),
    (r"^boot/to_init$", "Linux's figure has its self-tests and certificates in it, some 600 M"),
)]


@dataclass(frozen=True)
class Way:
    """A row of Linux; None where a command line was not measured."""

    name: str
    lean: float = None
    default: float = None


@dataclass(frozen=True)
class Pair:
    """A row of ours on a machine of `cpus`, and Linux's ways to it on the same machine, the comparison first."""

    name: str
    cpus: int
    own: float
    ways: tuple
    note: str = ""

    @property
    def way(self):
        return self.ways[0] if self.ways else Way("")

    @property
    def ratio(self):
        """How many times as much Linux takes with its lean command line; None without a comparison."""
        return _over(self.way.lean, self.own)

    @property
    def ratio_default(self):
        return _over(self.way.default, self.own)

    @property
    def words(self):
        ratio = self.ratio or self.ratio_default
        if ratio is None:
            return "not measured on Linux"
        if abs(ratio - 1) < ALIKE:
            return "alike"
        return "Pluot takes less" if ratio > 1 else "Linux takes less"


@dataclass
class Comparison:
    """`only_linux`: (Way, cpus) of rows that stand beside none of ours. `contexts`: of the result files, by guest."""

    mode: str
    pairs: list = field(default_factory=list)
    only_linux: list = field(default_factory=list)
    contexts: dict = field(default_factory=dict)

    @property
    def compared(self):
        return [pair for pair in self.pairs if pair.ratio]

    @property
    def only_own(self):
        return [pair for pair in self.pairs if not pair.ways]

    @property
    def mean_ratio(self):
        """Geometric mean, None when nothing was compared. Booting is no operation that a program waits for, and would
        outweigh a dozen others: it is listed, and not in here."""
        ratios = [pair.ratio for pair in self.compared if not pair.name.startswith("boot/")]
        return stats.geometric_mean(ratios) if ratios else None


def _over(other, own):
    return other / own if other and own else None


def stands_for(name):
    """An expression for the rows of Linux that do what `name` does, besides one of the same name; None: none do."""
    for own, ways in _WAYS:
        match = own.match(name)
        if match:
            return re.compile(ways.format(match.group(1)))
    return None


def note(name):
    """How the two operations of a row differ, or an empty string."""
    return "; ".join(text for own, text in _NOTES if own.match(name))


def _cheapest(way):
    return (way.lean is None, way.lean or way.default or 0)


def _ways(name, measured):
    """Linux's ways to a row of ours, the comparison first: its namesake, otherwise the cheapest."""
    expression = stands_for(name)
    others = [way for way in measured.values() if expression and way.name != name and expression.match(way.name)]
    same = [measured[name]] if name in measured else []
    return tuple(same + sorted(others, key=_cheapest))


def _measured(loaded, mode):
    """({cpus: {name: our figure}}, {cpus: {name: Way}}) of the files of a mode."""
    own, figures = {}, {}
    for result in (r for r in loaded if r.mode == mode):
        if result.guest == OWN:
            own.setdefault(result.cpus, {}).update({name: result.value(name) for name in result.rows})
        elif result.guest in (LEAN, DEFAULT):
            by_name = figures.setdefault(result.cpus, {})
            for name in result.rows:
                by_name.setdefault(name, {})[result.guest] = result.value(name)
    ways = {cpus: {name: Way(name, told.get(LEAN), told.get(DEFAULT)) for name, told in by_name.items()}
            for cpus, by_name in figures.items()}
    return own, ways


def compare(loaded, mode="count"):
    """Comparison of what results.load_folder gave; figures of the same machine size only."""
    own, ways = _measured(loaded, mode)
    made = Comparison(mode, contexts={r.guest: r.context for r in loaded if r.mode == mode})
    used = set()
    for cpus, rows in sorted(own.items()):
        for name, value in rows.items():
            pair = Pair(name, cpus, value, _ways(name, ways.get(cpus, {})), note(name))
            used.update((cpus, way.name) for way in pair.ways)
            made.pairs.append(pair)
    made.only_linux = [(way, cpus) for cpus, by_name in sorted(ways.items()) for way in by_name.values()
                       if (cpus, way.name) not in used]
    return made
