"""The QEMU plugin (perf/plugin) as a run sees it: the words for QEMU's command line, and the report it leaves.

A report is text, one record a line; each row of the guest's benchmarks has its own part. The plugin's README says
what the records mean. Everything in it is exact and the same in every run.
"""

import os
import statistics
import subprocess
from dataclasses import dataclass, field

from perf import golines

PLUGIN = "pluot_plugin.so"
NM = "llvm-nm-19"
_ENDS = "end"
# The kernel's idle loop, with whatever of it the compiler left a function of its own.
_IDLE = ("idle_loop", "idle_poll", "idle_wait", "machine_idle")

INSTRUCTIONS = "instructions"
# The model's defaults (perf/plugin/model.c): entries or bytes, and ways.
SIZES = {"itlb": "48:48", "dtlb": "48:48", "l2tlb": "1280:5", "l1i": "65536:4", "l1d": "65536:4", "l2": "262144:8"}
# What no model of this kind can know; and what it cannot either when it does not understand the page tables.
NOT_SUPPORTED = ("cycles", "branch_misses", "stalls")
_UNTRANSLATED = "untranslated"
_TRANSLATION = ("tlb_misses", "itlb_misses", "dtlb_misses", "walks", "walks_without_asids", "walk_reads")
# A TLBI that the model cannot follow: it dropped everything, which only costs walks.
_UNKNOWN_TLBI = "unknown-tlbi"


class ReportError(Exception):
    """Not a whole report; the message is one line."""


@dataclass
class Use:
    """What one CPU did to a line: masks of bytes, and the first instruction of each kind (0: none)."""

    cpu: int
    read: int
    read_pc: int
    written: int
    write_pc: int


@dataclass
class Line:
    """A cache line that one CPU wrote and another one touched, in `batches` batches."""

    address: int
    true_sharing: bool
    batches: int
    uses: list = field(default_factory=list)


@dataclass
class Slab:
    """The page of a zone that a line lies in: `size` and `first`: bytes of an element, and before the first one."""

    page: int
    size: int
    first: int
    zone: str


@dataclass
class Row:
    """One row: `operations` of one batch of all workers; `cpus`: for each batch {CPU: figures}, as `counters` names
    them."""

    workers: int
    operations: int
    batches: int = 0
    counters: list = field(default_factory=list)
    cpus: dict = field(default_factory=dict)
    instructions: dict = field(default_factory=dict)
    # {(call sites, outermost first; instruction): times}; sites: those of each node of the tree of calls
    chains: dict = field(default_factory=dict)
    sites: dict = field(default_factory=dict)
    unmatched: int = 0
    touched: int = 0
    lines: list = field(default_factory=list)
    # {line: Slab}, {physical address: eight bytes there}
    slabs: dict = field(default_factory=dict)
    peeks: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)

    def per_operation(self):
        """{counter: median over the batches, all CPUs together}, and "counter_cpuN" of each CPU; per operation."""
        found = {}
        numbers = sorted({cpu for batch in self.cpus.values() for cpu in batch})
        for i, name in enumerate(self.counters):
            sums = [sum(figures[i] for figures in batch.values()) for batch in self.cpus.values()]
            found[name] = self._figure(name, sums)
            if name == INSTRUCTIONS and len(numbers) > 1:
                for cpu in numbers:
                    own = [batch[cpu][i] if cpu in batch else 0 for batch in self.cpus.values()]
                    found[f"{name}_cpu{cpu}"] = self._figure(name, own)
        return found

    def _figure(self, name, sums):
        middle = statistics.median_low(sums)
        if name == INSTRUCTIONS:
            # in hundredths and downwards, as the guest's own figures
            return middle * 100 // self.operations / 100
        return round(middle / self.operations, 4)


def _cpu(row, words):
    batch = row.cpus.setdefault(int(words[0]), {})
    batch[int(words[1])] = [int(word) for word in words[2:]]


def _line(row, words):
    row.lines.append(Line(int(words[0], 16), words[1] == "true", int(words[2])))


def _use(row, words):
    row.lines[-1].uses.append(Use(int(words[0]), *[int(word, 16) for word in words[1:]]))


def _slab(row, words):
    row.slabs[int(words[0], 16)] = Slab(int(words[1], 16), int(words[2]), int(words[3]), " ".join(words[4:]))


def _node(row, words):
    parent = row.sites.get(words[1], ())
    row.sites[words[0]] = parent + ((int(words[2], 16),) if words[2] != "0" else ())


def _at(row, words):
    chain, pc, executed = row.sites[words[0]], int(words[1], 16), int(words[2])
    row.chains[chain, pc] = row.chains.get((chain, pc), 0) + executed
    row.instructions[pc] = row.instructions.get(pc, 0) + executed


_RECORDS = {
    "cpu": _cpu,
    "counters": lambda row, words: row.counters.extend(words),
    "insn": lambda row, words: row.instructions.__setitem__(int(words[0], 16), int(words[1])),
    "slab": _slab,
    "peek": lambda row, words: row.peeks.__setitem__(int(words[0], 16), int(words[1], 16)),
    "node": _node,
    "at": _at,
    "unmatched": lambda row, words: setattr(row, "unmatched", int(words[0])),
    "lines": lambda row, words: setattr(row, "touched", int(words[0])),
    "line": _line,
    "use": _use,
    "batches": lambda row, words: setattr(row, "batches", int(words[0])),
}


def parse(text, whole=True):
    """The rows of a report, in the order in which the guest ran them. One that was cut is an error, or, of a guest that
    ended early, tells of the rows before."""
    lines = [line.split() for line in text.splitlines()]
    cut = not lines or lines[-1] != [_ENDS]
    if cut and whole:
        raise ReportError("the plugin's report is not complete")
    rows = []
    for words in lines[:-1]:
        if not words:
            continue
        if words[0] == "row":
            rows.append(Row(int(words[2]), int(words[3])))
        elif words[0] in _RECORDS and rows:
            _RECORDS[words[0]](rows[-1], words[1:])
        elif rows:
            rows[-1].notes.append(" ".join(words))
    return rows


def read(path, whole=True):
    try:
        with open(path, encoding="utf-8") as text:
            return parse(text.read(), whole)
    except OSError as error:
        raise ReportError(f"the plugin left no report: {error.strerror}") from None


def fits(word):
    """Does "NAME=SIZE:WAYS" divide into sets as the model needs it? (model_options_fit of model.c)"""
    name, size = word.split("=")
    size, ways = (int(number) for number in size.split(":"))
    if not 1 <= ways <= 65536 or not 1 <= size <= 1 << 30:
        return False
    if "tlb" in name:
        return size % ways == 0
    sets = size // 64 // ways
    return sets > 0 and sets & (sets - 1) == 0 and sets * ways * 64 == size


def _idle_ranges(out):
    listed = subprocess.run([NM, "-S", "--defined-only", os.path.join(out, "pluot.elf")],
                            capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        words = line.split()
        if len(words) == 4 and words[3] in _IDLE:
            start = int(words[0], 16)
            yield f"{start:x}-{start + int(words[1], 16):x}"


def words(out, mode, report, options=()):
    """Further words of QEMU's command line: the plugin of the build in `out`, in a mode, reporting to a file."""
    told = [os.path.join(out, PLUGIN), f"mode={mode}", f"out={report}", *options]
    if mode in ("counts", "model"):
        told += [f"idle={r}" for r in _idle_ranges(out)]
    return ("-plugin", ",".join(told))


# ---- counts and the model, for x bench ----


def wanted(boot):
    """The plugin's mode for a boot of x bench, "" for none: on several CPUs the machine's own counter counts them
    all, the idle ones too."""
    if boot.mode == "model":
        return "model"
    return "counts" if boot.mode == "count" and boot.cpus > 1 else ""


def _values(row):
    values = row.per_operation()
    if _UNTRANSLATED in row.notes:
        values = {name: value for name, value in values.items() if name not in _TRANSLATION}
    return {"instructions/op": values.pop(INSTRUCTIONS), **values}


def apply(outcome, rows, mode):
    """The plugin's figures in place of the guest's, for each row that was measured in batches. In model mode the
    others say nothing and are left out."""
    seen = {name: row for name, row in zip(outcome.started, rows) if row.cpus and row.counters}
    kept = []
    for measurement in outcome.measurements:
        if measurement.name in seen:
            kept.append(golines.Measurement(measurement.name, measurement.iterations, _values(seen[measurement.name])))
        elif mode == "model":
            outcome.skipped[measurement.name] = "not supported: not measured in batches"
        else:
            kept.append(measurement)
    outcome.measurements = kept

