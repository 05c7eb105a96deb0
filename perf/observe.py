"""Runs one row under the QEMU plugin (perf/plugin) in count mode, and reads what the plugin wrote.

The plugin looks at measured batches only: the guest's harness marks them. All of it is exact and the same in every
run. Reports are text lines; the plugin's sources say what they mean.
"""

import os
import re
import tempfile
from dataclasses import dataclass, field

from perf import machine, runner, suite
from perf.progress import Progress

PLUGIN = "pluot_plugin.so"
_IMAGE = re.compile(r"bench-image: 0x([0-9a-f]+)")
_ENDS = "end"


class ObserveError(Exception):
    """The row could not be observed; the message is one line."""


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
class Observation:
    """`operations`: how many the looked-at batches had; `per_operation`: what the guest itself counted; `chains`:
    {(call sites, outermost first; instruction): times}; `unmatched`: returns to nowhere, which leave chains wrong."""

    operations: int
    per_operation: float
    image: int
    batches: int = 0
    instructions: dict = field(default_factory=dict)
    chains: dict = field(default_factory=dict)
    unmatched: int = 0
    touched: int = 0
    lines: list = field(default_factory=list)


def _add_chain(observation, chain, pc, executed):
    observation.chains[chain, pc] = observation.chains.get((chain, pc), 0) + executed
    observation.instructions[pc] = observation.instructions.get(pc, 0) + executed


def parse(text, observation):
    """The plugin's report into `observation`."""
    words = [line.split() for line in text.splitlines()]
    sites = {}
    if not words or words[-1] != [_ENDS]:
        raise ObserveError("the plugin's report is not complete")
    for line in words:
        kind = line[0]
        if kind == "batches":
            observation.batches = int(line[1])
        elif kind == "insn":
            observation.instructions[int(line[1], 16)] = int(line[2])
        elif kind == "node":
            parent = sites.get(line[2], ())
            sites[line[1]] = parent + ((int(line[3], 16),) if line[3] != "0" else ())
        elif kind == "at":
            _add_chain(observation, sites[line[1]], int(line[2], 16), int(line[3]))
        elif kind == "unmatched":
            observation.unmatched = int(line[1])
        elif kind == "lines":
            observation.touched = int(line[1])
        elif kind == "line":
            observation.lines.append(Line(int(line[1], 16), line[2] == "true", int(line[3])))
        elif kind == "use":
            masks = [int(word, 16) for word in line[2:]]
            observation.lines[-1].uses.append(Use(int(line[1]), *masks))
    return observation


def image(log_path):
    """Where the benchmark program lay, from the console's log; 0 when it did not say."""
    with open(log_path, encoding="utf-8", errors="replace") as log:
        found = _IMAGE.search(log.read())
    return int(found.group(1), 16) if found else 0


def _boot(row, cpus, workers):
    # A row with workers is measured for each number asked for; one that has none runs as it is.
    return suite.Boot("count", cpus, (row,), (workers,))


def observe(out, row, mode, cpus, workers=1):
    """Boots `row` on `cpus` CPUs with the plugin in `mode` ("profile" or "sharing")."""
    plugin = os.path.join(out, PLUGIN)
    progress = Progress(1)
    with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
        report = os.path.join(folder, "report.txt")
        log = os.path.join(folder, "console.log")
        extra = ("-plugin", f"{plugin},mode={mode},out={report},workers={workers}")
        prepared = machine.Prepared(out, _boot(row, cpus, workers), folder, extra)
        progress.boot(f"{row.name} on {cpus} CPU{'s' if cpus > 1 else ''}, {mode}")
        outcome = runner.run(prepared.command, "count", log, progress, prepared.backtraces, silence_s=300)
        progress.end()
        reasons = [outcome.reason, *outcome.failed.values(), *outcome.skipped.values()]
        if any(reasons) or not outcome.measurements:
            raise ObserveError(f"{row.name}: {next(filter(None, reasons), 'nothing was measured')}")
        measured = outcome.measurements[-1]
        observation = Observation(measured.iterations, measured.values.get("instructions/op", 0.0), image(log))
        with open(report, encoding="utf-8") as text:
            parse(text.read(), observation)
    if observation.batches == 0:
        raise ObserveError(f"{row.name}: the guest marked no batch")
    return observation
