"""x trace: what the kernel did while a benchmark ran, as a timeline for Perfetto and chrome://tracing.

One short batch of the row runs with the kernel trace on. In count mode a nanosecond of the timeline is one instruction of
the machine, the same in every run; the trace's own instructions (about 50 an event) are among them. In time mode
it is wall time.

Exit status: 0; 1 when the row could not be traced or events were lost; 64 wrong usage.
"""

import collections
import json
import os
import sys
import tempfile

from x import usage

from perf import choose, machine, runner, suite, table, timeline, timeline_check, trace_events
from perf.progress import Progress

DEFAULT_OUT = os.path.join(machine.ROOT, "out", "trace")
OPERATIONS = 10
MODES = ("count", "time")


def _operations(text):
    if not text.isdigit() or not 1 <= int(text) <= 100000:
        usage.fail(f"trace: --operations '{text}': give a number from 1 to 100000")
    return int(text)


def _filter(text):
    words = text.split(",")
    for word in words:
        usage.choice("class of events", word, trace_events.filter_words())
    return trace_events.filter_types(words)


def _options():
    options = usage.parser("trace", "A timeline of what the kernel did while a benchmark ran: CPUs, threads, system calls, "
                           "faults, interrupts, and messages as arrows.")
    options.add_argument("benchmark", metavar="BENCH", help="a row, by its name: x bench --list")
    options.add_argument("--filter", type=_filter, default=None, metavar="LIST",
                         help="only these classes of events, such as sched,ipc (default: all). One of: "
                         + " ".join(trace_events.filter_words()))
    options.add_argument("--cpus", type=usage.cpus, default=None, metavar="N", help="CPUs of the machine")
    options.add_argument("--mode", default="count", metavar="|".join(MODES),
                         type=lambda given: usage.choice("mode", given, MODES),
                         help="count: a nanosecond is an instruction, and every run is the same; time: wall time "
                         "(default: %(default)s)")
    options.add_argument("--operations", type=_operations, default=OPERATIONS, metavar="N",
                         help="iterations of the traced batch, at most those of the row (default: %(default)s)")
    options.add_argument("--workers", type=int, default=1, metavar="N", help="workers of a scale/ row (default: 1)")
    options.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help="where files go (default: out/trace)")
    usage.variant_option(options)
    return options


def take(out, row, mode, cpus, workers, operations, types=""):
    """Boots `row` with the kernel trace on: (Trace, Measurement of the traced batch)."""
    progress = Progress(1)
    options = ("--trace", str(operations)) + (("--trace-types", types) if types else ())
    with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
        log = os.path.join(folder, "console.log")
        prepared = machine.Prepared(out, suite.Boot(mode, cpus, (row,), (workers,)), folder, options=options)
        progress.boot(f"{row.name} on {cpus} CPU{'s' if cpus > 1 else ''}, traced in {mode} mode")
        outcome = runner.run(prepared.command, mode, log, progress, prepared.backtraces)
        progress.end()
        reasons = [outcome.reason, *outcome.failed.values(), *outcome.skipped.values()]
        if any(reasons) or not outcome.measurements:
            raise trace_events.TraceError(f"{row.name}: {next(filter(None, reasons), 'nothing was measured')}")
        with open(log, encoding="utf-8", errors="replace") as console:
            return trace_events.parse(console), outcome.measurements[-1]


def summary(trace):
    """Events by class and by name, as lines."""
    parts = collections.Counter(trace_events.part(event) for event in trace.events)
    names = collections.Counter((trace_events.part(event), trace_events.name(event)) for event in trace.events)
    rows = []
    for part, count in parts.most_common():
        rows.append([part, str(count), f"{count / trace.iterations:.1f}"])
        rows += [[f"  {name}", str(n), f"{n / trace.iterations:.1f}"]
                 for (of, name), n in names.most_common() if of == part]
    return table.layout(["", "events", "per operation"], rows)


def _write(folder, mode, trace, about):
    """The timeline and the listing: their paths, and the number of arrows."""
    document, flows, unpaired = timeline.build(trace, about)
    wrong = timeline_check.problems(document)
    if wrong:
        raise trace_events.TraceError(f"the timeline is not right, which is a defect of x trace: {wrong[0]}")
    os.makedirs(folder, exist_ok=True)
    paths = [os.path.join(folder, f"{mode}.json"), os.path.join(folder, f"{mode}.txt")]
    with open(paths[0], "w", encoding="utf-8") as file:
        json.dump(document, file, separators=(",", ":"))
        file.write("\n")
    with open(paths[1], "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in timeline.listing(trace))
    return paths, flows, unpaired


def _run(args):
    row = choose.row(args.benchmark)
    workers = args.workers if row.workers else 1
    least = max(row.cpus, workers, 2 if args.mode == "time" else 1)
    cpus = args.cpus[0] if args.cpus else least
    if cpus < max(row.cpus, workers):
        usage.fail(f"trace: {row.name} needs {max(row.cpus, workers)} CPUs; give --cpus a larger number")
    out = machine.prepare(args.variant)
    trace, measured = take(out, row, args.mode, cpus, workers, args.operations, args.filter or "")
    unit = "instruction" if args.mode == "count" else "nanosecond of wall time"
    folder = os.path.join(os.path.abspath(args.out), args.benchmark.replace("/", "-"))
    about = {"mode": args.mode, "cpus": cpus, "variant": args.variant, "one nanosecond is": f"one {unit}"}
    paths, flows, unpaired = _write(folder, args.mode, trace, about)
    cost = measured.values.get("instructions/op" if args.mode == "count" else "ns/op", 0)
    print("\n".join(summary(trace)))
    print(f"{row.name}: {trace.iterations} operations, {len(trace.events)} events, {flows} messages followed, "
          f"{trace.lost} lost; {cost:,.15g} {'instructions' if args.mode == 'count' else 'ns'}/op while traced")
    print(f"timeline, for ui.perfetto.dev or chrome://tracing; one nanosecond is one {unit}:\n  {os.path.relpath(paths[0])}")
    print(f"the events as text:\n  {os.path.relpath(paths[1])}")
    if trace.lost or unpaired:
        sys.stderr.write(f"x trace: {trace.lost} events were lost, {unpaired} ends have no beginning; give fewer --operations, "
                         "or --filter\n")
    return 1 if trace.lost else 0


def main(verb, argv):
    """The verb of x that is served here, and its arguments."""
    try:
        return _run(_options().parse_args(argv))
    except trace_events.TraceError as error:
        sys.stderr.write(f"x {verb}: {error}\n")
    except OSError as error:
        sys.stderr.write(f"x {verb}: {error.filename}: {error.strerror}\n")
    return 1
