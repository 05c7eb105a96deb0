"""Runs one row under the QEMU plugin (perf/plugin) in count mode, and reads what the plugin wrote.

The plugin looks at measured batches only: the guest's harness marks them. All of it is exact and the same in every
run. Reports are text lines; the plugin's sources say what they mean.
"""

import os
import re
import tempfile
from dataclasses import dataclass

from perf import machine, plugin_report, runner, suite
from perf.progress import Progress

_IMAGE = re.compile(r"bench-image: 0x([0-9a-f]+)")


class ObserveError(Exception):
    """The row could not be observed; the message is one line."""


@dataclass
class Observation:
    """A row that was looked at; `per_operation`: what the guest itself counted."""

    name: str
    row: plugin_report.Row
    per_operation: float
    image: int

    @property
    def operations(self):
        """Of all batches that were looked at."""
        return self.row.operations * self.row.batches

    @property
    def batches(self):
        return self.row.batches

    @property
    def instructions(self):
        return self.row.instructions

    @property
    def chains(self):
        """{(call sites, outermost first; instruction): times}"""
        return self.row.chains

    @property
    def unmatched(self):
        """Returns to nowhere, which leave chains wrong."""
        return self.row.unmatched

    @property
    def lines(self):
        return self.row.lines

    @property
    def touched(self):
        return self.row.touched


def image(log_path):
    """Where the benchmark program lay, from the console's log; 0 when it did not say."""
    with open(log_path, encoding="utf-8", errors="replace") as log:
        found = _IMAGE.search(log.read())
    return int(found.group(1), 16) if found else 0


def _boot(row, cpus, workers):
    # A row with workers is measured for each number asked for; one that has none runs as it is.
    return suite.Boot("count", cpus, (row,), (workers,))


def observe(out, row, mode, cpus, workers=1, options=()):
    """Boots `row` on `cpus` CPUs with the plugin in `mode` ("profile", "sharing")."""
    progress = Progress(1)
    with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
        report = os.path.join(folder, "report.txt")
        log = os.path.join(folder, "console.log")
        prepared = machine.Prepared(out, _boot(row, cpus, workers), folder,
                                    plugin_report.words(out, mode, report, options))
        progress.boot(f"{row.name} on {cpus} CPU{'s' if cpus > 1 else ''}, {mode}")
        outcome = runner.run(prepared.command, "count", log, progress, prepared.backtraces, silence_s=300)
        progress.end()
        reasons = [outcome.reason, *outcome.failed.values(), *outcome.skipped.values()]
        if any(reasons) or not outcome.measurements:
            raise ObserveError(f"{row.name}: {next(filter(None, reasons), 'nothing was measured')}")
        measured = outcome.measurements[-1]
        try:
            rows = plugin_report.read(report)
        except plugin_report.ReportError as error:
            raise ObserveError(f"{row.name}: {error}") from None
        seen = Observation(measured.name, rows[-1] if rows else plugin_report.Row(0, 0),
                           measured.values.get("instructions/op", 0.0), image(log))
    if seen.batches == 0:
        raise ObserveError(f"{row.name}: the guest marked no batch")
    return seen


@dataclass
class Rows:
    """All rows of one boot: those that were measured, and (name, reason) of the others."""

    rows: list
    missing: list
    image: int


def rows(out, boot, mode, options=(), program=()):
    """Boots a suite.Boot with the plugin in `mode`; `options` are further ones of the plugin, `program` of the benchmark
    program."""
    progress = Progress(sum(len(boot.workers) if row.workers else 1 for row in boot.rows))
    with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
        report = os.path.join(folder, "report.txt")
        log = os.path.join(folder, "console.log")
        prepared = machine.Prepared(out, boot, folder, plugin_report.words(out, mode, report, options), program)
        progress.boot(f"{len(boot.rows)} row{'s' if len(boot.rows) > 1 else ''} on {boot.cpus} CPUs, {mode}")
        outcome = runner.run(prepared.command, "count", log, progress, prepared.backtraces, silence_s=300, limit_s=3600)
        progress.end()
        try:
            found = plugin_report.read(report, whole=not outcome.reason)
        except plugin_report.ReportError as error:
            raise ObserveError(str(error)) from None
        where = image(log)
    measured = {measurement.name for measurement in outcome.measurements}
    missing = {**outcome.failed, **outcome.skipped}
    if outcome.reason:
        missing[outcome.running or "the boot"] = outcome.reason
    good = [(name, row) for name, row in zip(outcome.started, found) if name in measured and row.batches]
    if not good:
        raise ObserveError("; ".join(f"{name}: {reason}" for name, reason in missing.items()) or "nothing was measured")
    return Rows(good, list(missing.items()), where)
