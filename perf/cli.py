"""x bench: measure, write result files, print the tables, write the report.

Exit status: 0 everything measured; 1 a boot or a row failed, or a count-mode run was not identical to the one before;
64 wrong usage.
"""

import copy
import dataclasses
import datetime
import importlib
import os
import re
import sys
import tempfile

from x import setup, usage

from perf import (agreement, beside, beside_table, builds, guests, history_kept, linux, machine, plots, plugin_report,
                  reference, report, results, runner, stats, suite, table)
from perf.progress import Progress

DEFAULT_OUT = os.path.join(machine.ROOT, "out", "bench")


def mode(text):
    """The --mode argument: one mode, or several with commas."""
    return [usage.choice("mode", one, results.MODES) for one in text.split(",")]


def _model(text):
    words = text.split(",")
    for word in words:
        if not re.fullmatch(f"({'|'.join(plugin_report.SIZES)})=[0-9]+:[0-9]+", word):
            usage.fail(f"bench: --model '{word}': give NAME=SIZE:WAYS, names: {' '.join(plugin_report.SIZES)}")
        if not plugin_report.fits(word):
            usage.fail(f"bench: --model '{word}': a TLB's entries must be a multiple of its ways, a cache must have a power "
                       "of two of sets of 64-byte lines")
    return tuple(words)


def pattern(text):
    """The --filter argument: a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        usage.fail(f"--filter '{text}' is not a regular expression: {error}")
    return text


def _repetitions(text):
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        usage.fail(f"bench: --repetitions '{text}': give a number from 1 to 1000")
    return int(text)


def options():
    made = usage.parser(
        "bench", "Measure, and write result files and a report. Without options: exact counts on the smallest machine "
        "that shows each row, then wall time on 2 CPUs with one and two workers.")
    made.add_argument("--mode", type=mode, default=["count", "time"], metavar="|".join(results.MODES),
                      help="count: exact instructions; time: wall time (default: both); model: TLBs and caches")
    made.add_argument("--model", type=_model, default=(), metavar="NAME=SIZE:WAYS,...",
                      help="sizes of the model: itlb, dtlb, l2tlb in entries, l1i, l1d, l2 in bytes (docs/model.md)")
    made.add_argument("--filter", type=pattern, default="", metavar="RE", help="only rows whose name RE finds")
    made.add_argument("--cpus", type=usage.cpus, default=[], metavar="LIST", help="machine sizes, such as 2,4,8")
    made.add_argument("--repetitions", type=_repetitions, default=1, metavar="N",
                      help="boots of each machine; count mode checks that they are identical")
    made.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help="where results go (default: out/bench)")
    made.add_argument("--guest", default="pluot", type=lambda given: usage.choice("guest", given, guests.GUESTS),
                      metavar="|".join(guests.GUESTS), help="what is measured (default: pluot)")
    made.add_argument("--build", metavar="DIR", help="measure what was built in this folder, as it is")
    made.add_argument("--check-anchors", action="store_true",
                      help="with --guest linux: compare its counts with those that were recorded of the same kernel")
    made.add_argument("--list", action="store_true", help="print the names of the rows and leave")
    usage.variant_option(made)
    return made


def _select(all_rows, pattern):
    chosen = suite.select(all_rows, pattern)
    if not chosen:
        usage.fail(f"no benchmark matches '{pattern}'; choose from: {' '.join(row.name for row in all_rows)}")
    return chosen


# ---- one run ----

# The model looks at each access of the guest: a boot takes some ten times as long.
_PATIENCE = {"model": {"silence_s": 300, "limit_s": 3600}}


@dataclasses.dataclass
class _Kept:
    """What the boots of one machine gave so far."""

    outcomes: list = dataclasses.field(default_factory=list)
    commands: list = dataclasses.field(default_factory=list)


class Run:
    """State of one measurement: where it writes, what it was asked for, what went wrong so far.

    Every row is in its result file as soon as it is measured; until the boot is over the file says that it is
    incomplete. A file that cannot be written costs nothing but itself: `results` has what was measured.
    """

    def __init__(self, args, guest, boots, progress=None):
        self.args = args
        self.guest = guest
        self.boots = boots
        self.problems = []
        self.results = {}
        self._kept = {}
        rows = sum(_row_count(boot) for boot in boots) * args.repetitions * len(guest.names)
        self.progress = progress or Progress(rows)
        self.configurations = {
            name: {**guest.configuration(name), "qemu_version": machine.qemu_version()} for name in guest.names}

    def _context(self, name, boot, kept):
        """The configuration of one result file."""
        reasons = [o.reason for o in kept.outcomes if o.reason]
        merged = {"skipped": {}, "failed": {}}
        for outcome in kept.outcomes:
            merged["skipped"].update(outcome.skipped)
            merged["failed"].update(outcome.failed)
        context = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "host_name": machine.host_name(),
            "executable": machine.PROGRAM,
            "num_cpus": boot.cpus,
            # one instruction is one nanosecond of virtual time in count and model mode; unknown otherwise
            "mhz_per_cpu": 0 if boot.mode == "time" else 1000,
            "caches": [],
            "load_avg": list(os.getloadavg()),
            "library_version": "pluot bench",
            "library_build_type": "debug" if self.configurations[name]["variant"] == "debug" else "release",
            "guest": name,
            "mode": boot.mode,
            "cpus": str(boot.cpus),
            "host_cpus": str(os.cpu_count() or 1),
            **self.configurations[name],
            "qemu_command": kept.commands[0],
            "complete": "false" if reasons else "true",
        }
        if boot.mode == "model":
            context["model"] = self.guest.model_sizes()
            context["not_supported"] = list(plugin_report.NOT_SUPPORTED)
        if reasons:
            context["incomplete_reason"] = reasons[0]
        for what, found in merged.items():
            if found:
                context[what] = [{"name": row, "reason": reason} for row, reason in found.items()]
        return context

    def boot(self, name, boot):
        """All repetitions of one machine, into one result file."""
        for _ in range(self.args.repetitions):
            self.once(name, boot)
        if boot.mode != "time" and self.args.repetitions > 1:
            self._check_identical(boot, self.results[self._path(name, boot)])

    def once(self, name, boot):
        """One boot more of a machine."""
        kept = self._kept.setdefault((name, boot.mode, boot.cpus), _Kept())
        number = f"-run{len(kept.outcomes) + 1}" if self.args.repetitions > 1 else ""
        log = os.path.join(self.args.out, f"{name}-{boot.mode}-cpus{boot.cpus}{number}.console.log")
        self.progress.boot(f"{name}: {boot.mode} mode, {boot.cpus} CPU{'s' if boot.cpus > 1 else ''}")
        with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
            prepared = self.guest.prepared(name, boot, folder)
            kept.commands.append(prepared.printable)
            kept.outcomes.append(runner.Outcome(reason="x bench was ended before this boot was over"))

            def landed(outcome):
                kept.outcomes[-1] = dataclasses.replace(outcome, reason=kept.outcomes[-1].reason)
                self._keep(name, boot, kept)

            kept.outcomes[-1] = runner.run(prepared.command, boot.mode, log, self.progress, prepared.backtraces,
                                           landed if self.guest.live(boot) else None, **_PATIENCE.get(boot.mode, {}))
            self.guest.finish(boot, folder, kept.outcomes[-1])
        self._keep(name, boot, kept)
        self._judge(boot, kept.outcomes[-1], prepared, log)

    def _path(self, name, boot):
        return os.path.join(self.args.out, results.file_name(name, boot.mode, boot.cpus))

    def _keep(self, name, boot, kept):
        path = self._path(name, boot)
        made = [results.entry(m, boot.mode, repetition, len(kept.outcomes))
                for repetition, outcome in enumerate(kept.outcomes) for m in outcome.measurements]
        doc = results.document(self._context(name, boot, kept), [e for e in made if e])
        self.results[path] = results.checked(path, doc)
        try:
            results.write(path, doc)
        except OSError as error:
            self._problem(f"{path}: {error.strerror}; what was measured is in the table: make room there, or give "
                          "--out another folder, and run again")

    def _problem(self, text):
        if text not in self.problems:
            self.problems.append(text)

    def _judge(self, boot, outcome, prepared, log):
        for name, reason in outcome.failed.items():
            self._problem(f"{name} ({boot.mode} mode): {reason}")
        if outcome.log_error:
            self._problem(f"{log}: {outcome.log_error}; the console log is cut there")
        if not outcome.reason:
            return
        kept = f"{len(outcome.measurements)} of {_row_count(boot)} rows are kept"
        self._problem(f"{boot.mode} mode, {boot.cpus} CPUs: {outcome.reason}; {kept}; console log: {log}")
        shown = prepared.named(outcome.panic) if outcome.panic else outcome.tail
        for text in [f"INCOMPLETE: {outcome.reason}"] + shown + [f"console log: {log}"]:
            self.progress.message(text)

    def _check_identical(self, boot, result):
        samples = result.values()
        different = stats.differing(samples)
        size = f"{boot.cpus} CPU{'s' if boot.cpus > 1 else ''}"
        if different:
            for name, (low, high) in different.items():
                self._problem(f"{name} ({boot.mode} mode, {size}) differs between runs: {low:.15g} to {high:.15g}")
        else:
            self.progress.message(f"{boot.mode} mode, {size}: {self.args.repetitions} runs identical ({len(samples)} rows)")


def _row_count(boot):
    return sum(len(boot.workers) if row.workers else 1 for row in boot.rows)


def _stays(path, configuration, measured):
    """Is this an earlier result that may stand beside what is measured now? It is of the same committed tree and tools, and
    another mode or machine size."""
    try:
        result = results.load(path)
    except results.ResultError:
        return False
    alike = all(result.context[key] == configuration[key] for key in results.ALIKE)
    return alike and "+" not in result.context["kernel_commit"] and (result.mode, result.cpus) not in measured


def _put_away(folder, guest, configuration, boots):
    """Earlier results and logs of a guest move to DIR/previous, so that a folder never mixes two kernels of one guest."""
    measured = {(boot.mode, boot.cpus) for boot in boots}
    names = [n for n in os.listdir(folder) if n.startswith(guest + "-") and n.endswith((".json", ".log"))]
    stay = [n[:-len(".json")] for n in names
            if n.endswith(".json") and _stays(os.path.join(folder, n), configuration, measured)]
    previous = os.path.join(folder, "previous")
    for name in names:
        if not any(name.startswith((stem + ".", stem + "-run")) for stem in stay):
            os.makedirs(previous, exist_ok=True)
            os.replace(os.path.join(folder, name), os.path.join(previous, name))


def _measure(run):
    try:
        for name in run.guest.names:
            for boot in run.boots:
                run.boot(name, boot)
    except OSError as error:
        run.problems.append(f"{error.filename or run.args.out}: {error.strerror}; make room there and run again")
    finally:
        run.progress.end()


def _show(run):
    loaded = list(run.results.values())
    ref = reference.measured(reference.load(), _folder(run) if loaded else [])
    for result in loaded:
        print("\n".join(table.render(result, ref)) + "\n")
    if not loaded:
        return
    print(f"results: {run.args.out}")
    _keep(run)
    try:
        setup.need("bench")
        print(f"report:  {report.write(run.args.out, _folder(run), ref)}")
    except SystemExit:
        run.problems.append("no report: what draws it is lacking; the figures above and in the result files are whole")
    except OSError as error:
        run.problems.append(f"no report: {error.strerror}; the result files are whole unless said otherwise")
    except (plots.PlotError, results.ResultError) as error:
        run.problems.append(f"no report: {error}")


def _keep(run):
    """What went to the usual place also goes to the history."""
    if run.args.out != DEFAULT_OUT:
        return
    try:
        history_kept.keep([path for path in run.results if os.path.exists(path)])
    except OSError as error:
        run.problems.append(f"not kept for x history: {error.filename}: {error.strerror}")


def _folder(run):
    """All results of the folder, those of this run as they are in memory: a file of theirs may be missing."""
    others = [r for r in results.load_folder(run.args.out) if r.path not in run.results]
    return others + list(run.results.values())


def select_rows(pattern, guest="pluot"):
    """The rows of a guest that a filter leaves, or a line with the choices and status 64."""
    return _select(suite.rows(machine.ROOT, guest), pattern)


def plan(args, guest):
    """The boots that `args` ask for, or a line with the choices and status 64."""
    wrong = [one for one in args.mode if one not in guest.modes]
    if wrong:
        usage.fail(f"bench: guest {args.guest} has no {wrong[0]} mode; choose from: {' '.join(guest.modes)}")
    chosen = _select(guest.rows(), args.filter)
    boots = suite.plan(chosen, args.mode, args.cpus)
    boots = [dataclasses.replace(b, rows=tuple(r for r in b.rows if guest.measures(b, r))) for b in boots]
    boots = [boot for boot in boots if boot.rows]
    if not boots and "time" not in args.mode and all(row.timed for row in chosen):
        usage.fail("bench: the chosen rows are measured in time mode only; give --mode time")
    if not boots:
        sizes = ",".join(str(size) for size in args.cpus) or "this number of"
        usage.fail(f"bench: no chosen row fits on a machine of {sizes} CPUs; give --cpus a larger number")
    return boots


def open_run(args, guest, boots, progress=None):
    """A Run whose folder is ready and holds no older results of its guest."""
    args.out = os.path.abspath(args.out)
    os.makedirs(args.out, exist_ok=True)
    run = Run(args, guest, boots, progress)
    for name in guest.names:
        _put_away(args.out, name, run.configurations[name], boots)
    return run


def measure(args, guest=None):
    """Builds, boots and writes result files; returns the finished Run. `args` as options() gives them."""
    guest = guest or _guest(args)
    boots = plan(args, guest)
    guest.prepare()
    run = open_run(args, guest, boots)
    _measure(run)
    return run


def _guest(args):
    if args.build and args.guest != "pluot":
        usage.fail("bench: --build is for --guest pluot")
    if args.build:
        guest = guests.Pluot(args.variant, builds.of_folder(args.build))
    else:
        guest = guests.GUESTS[args.guest](args.variant)
    guest.model = args.model
    return guest


def _complete(run):
    """Says what went wrong; the status."""
    for problem in run.problems:
        sys.stderr.write(f"x bench: {problem}\n")
    return 1 if run.problems else 0


def _check_anchors(args):
    """Linux's rows against what another program measured: 0 they agree, 1 one does not, 2 it is another kernel."""
    if args.guest != "linux":
        usage.fail("bench: --check-anchors is for --guest linux")
    args.mode, args.cpus = ["count"], [agreement.recorded()["cpus"]]
    args.filter = args.filter or agreement.pattern()
    if args.out == DEFAULT_OUT:
        args.out = os.path.join(machine.ROOT, "out", "anchors")
    run = measure(args)
    print("\n".join(agreement.render(list(run.results.values()))))
    return _complete(run) or agreement.status(list(run.results.values()))


def _measure_own(args, run):
    """What Linux stands beside, unless the folder has it: Pluot in the same modes. None when it is there."""
    lacks = [mode for mode in args.mode if not any(r.guest == "pluot" and r.mode == mode for r in _folder(run))]
    own = copy.copy(args)
    own.guest, own.mode = "pluot", lacks
    if not lacks or not suite.select(suite.rows(machine.ROOT), args.filter):
        return None
    sys.stderr.write(f"x bench: {args.out} holds no {' and '.join(lacks)} mode of Pluot yet: measuring it too\n")
    return measure(own)


def _show_beside(run):
    """The ratio tables, and the same as a file."""
    found = [beside.compare(_folder(run), mode) for mode in ("count", "time")]
    found = [comparison for comparison in found if comparison.compared]
    for comparison in found:
        print("\n".join(beside_table.render(comparison)) + "\n")
    if not found:
        return
    path = os.path.join(run.args.out, beside_table.FILE)
    try:
        with open(path, "w", encoding="utf-8") as out:
            out.write(beside_table.markdown(found))
        print(f"ratios:  {path}")
    except OSError as error:
        run.problems.append(f"{path}: {error.strerror}; the ratios are in the table above")


def _bench_linux(args):
    run = measure(args)
    own = _measure_own(args, run)
    _show(run)
    _show_beside(run)
    return max(_complete(run), _complete(own) if own else 0)


def _bench_own(args):
    run = measure(args)
    _show(run)
    return _complete(run)


def bench(argv):
    args = options().parse_args(argv)
    if args.list:
        print("\n".join(row.name for row in select_rows(args.filter, args.guest)))
        return 0
    try:
        if args.check_anchors:
            return _check_anchors(args)
        return _bench_linux(args) if args.guest == "linux" else _bench_own(args)
    except (builds.BuildError, linux.LinuxError, OSError) as error:
        sys.stderr.write(f"x bench: {error}\n")
        return 1


def main(verb, argv):
    """A verb of x that is served here, and its arguments."""
    if verb == "bench":
        return bench(argv)
    served = importlib.import_module("perf." + verb)
    return served.main(argv)
