"""x stat: every event of a benchmark, in perf stat's manner.

Counts are exact: the QEMU plugin counts each instruction of the measured batches, and events are kinds of instructions
(events.py). -r boots several times; in count mode that shows that runs are identical.

Exit status: 0; 1 when the row could not be observed; 64 wrong usage.
"""

import json
import math
import statistics
import sys

from x import usage

from perf import choose, code, events, machine, observe, places

_ABSENT = "<not supported>"
_RUNTIME_SHARE = 100.00  # per cent of the time that a counter ran: they do not take turns


def _repeat(text):
    if not text.isdigit() or not 1 <= int(text) <= 100:
        usage.fail(f"stat: -r '{text}': give a number from 1 to 100")
    return int(text)


def _chosen(text):
    return [usage.choice("event", name, events.NAMES) for name in text.split(",")]


def _separator(text):
    return "\t" if text in ("", "\\t") else text


def _options():
    options = usage.parser("stat", "Every event of a benchmark, total and for one operation, in perf stat's manner.")
    options.add_argument("benchmark", metavar="BENCH", help="a row, by its name: x bench --list")
    options.add_argument("-e", "--event", type=_chosen, default=None, metavar="LIST", help="only these events")
    options.add_argument("-r", "--repeat", type=_repeat, default=1, metavar="N", help="boots; means and spread are printed")
    options.add_argument("-x", "--field-separator", type=_separator, default=None, metavar="SEP", help="as CSV, with SEP between")
    options.add_argument("-j", "--json-output", action="store_true", help="as JSON, an object a line")
    options.add_argument("-o", "--output", default="", metavar="FILE", help="into FILE instead of standard output")
    options.add_argument("--cpus", type=usage.cpus, default=None, metavar="N", help="CPUs of the machine")
    options.add_argument("--workers", type=int, default=1, metavar="N", help="workers of a scale/ row (default 1)")
    usage.variant_option(options)
    return options


class Line:
    """An event over all repetitions."""

    def __init__(self, runs, operations):
        self.name, self.note = runs[0].name, runs[0].note
        values = [run.value for run in runs if run.value is not None]
        self.value = statistics.fmean(values) if values else None
        self.per_operation = self.value / operations if values else None
        self.repeated = len(runs) > 1
        # perf's: the standard error of the mean, in per cent of it
        spread = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        self.spread = 100 * spread / self.value if self.value else 0.0


def _counts(value):
    """A total as perf prints it: whole, and if means are not whole, with what is behind the point."""
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


# ---- three ways to print ----


def plain(lines, title, runtime_ns):
    yield ""
    yield f" Performance counter stats for {title}:"
    yield ""
    for line in lines:
        if line.value is None:
            yield f"{_ABSENT:>18}      {line.name:<29} #  {line.note}"
            continue
        spread = f"  ( +- {line.spread:5.2f}% )" if line.repeated else ""
        note = f"   {line.note}" if line.note else ""
        yield f"{line.value:>18,.0f}      {line.name:<29} # {line.per_operation:>14,.3f} /op{spread}{note}".rstrip()
    yield ""
    yield f"{runtime_ns / 1e9:>18.9f} seconds of virtual time, a nanosecond an instruction"
    yield ""


def csv(lines, separator, runtime_ns):
    """value, unit, event, [variance,] run time, share of it, metric, its unit"""
    for line in lines:
        absent = line.value is None
        fields = [_ABSENT if absent else _counts(line.value), "", line.name]
        fields += [f"{line.spread:.2f}%"] if line.repeated else []
        fields += ["0" if absent else str(runtime_ns), f"{_RUNTIME_SHARE:.2f}"]
        fields += ["", ""] if absent else [f"{line.per_operation:.3f}", "per operation"]
        yield separator.join(fields)


def as_json(lines, runtime_ns):
    for line in lines:
        absent = line.value is None
        told = {"counter-value": _ABSENT if absent else f"{line.value:.6f}", "unit": "", "event": line.name}
        if line.repeated:
            told["variance"] = round(line.spread, 2)
        told.update({"event-runtime": 0 if absent else runtime_ns, "pcnt-running": _RUNTIME_SHARE})
        if not absent:
            told.update({"metric-value": f"{line.per_operation:.6f}", "metric-unit": "per operation"})
        yield json.dumps(told)


# ---- the verb ----


def _once(args, out, row, cpus):
    """(events, operations) of one boot"""
    observed = observe.observe(out, row, "profile", cpus, args.workers if row.workers else 1)
    where = places.Places(out, observed.image)
    kernel, program = where.code()

    def word(pc):
        return (kernel if pc >= events.KERNEL else program).word(pc)

    def address_of(name):
        try:
            return where.address_of(name)
        except ValueError:
            return None

    return events.count(observed.instructions, word, address_of), observed.operations


def _measure(args):
    row = choose.row(args.benchmark)
    cpus = args.cpus[0] if args.cpus else max(row.cpus, args.workers if row.workers else 1)
    if row.cpus > cpus or (row.workers and args.workers > cpus):
        usage.fail(f"{row.name} needs {max(row.cpus, args.workers)} CPUs; give --cpus a larger number")
    out = machine.prepare(args.variant)
    runs = [_once(args, out, row, cpus) for _ in range(args.repeat)]
    operations = runs[0][1]
    lines = [Line(of_one, operations) for of_one in zip(*(found for found, _ in runs))]
    title = (f"'{row.name}' ({operations:,} operations, {cpus} CPU{'s' if cpus > 1 else ''}"
             + (f", {args.repeat} runs)" if args.repeat > 1 else ")"))
    runtime = int(next(line.value for line in lines if line.name == "instructions"))
    return [line for line in lines if args.event is None or line.name in args.event], title, runtime


def _print(args, text):
    if not args.output:
        print(text)
        return
    with open(args.output, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def main(verb, argv):
    """The verb of x that is served here, and its arguments."""
    args = _options().parse_args(argv)
    try:
        lines, title, runtime = _measure(args)
        if args.json_output:
            printed = as_json(lines, runtime)
        elif args.field_separator:
            printed = csv(lines, args.field_separator, runtime)
        else:
            printed = plain(lines, title, runtime)
        _print(args, "\n".join(printed))
        return 0
    except observe.ObserveError as error:
        sys.stderr.write(f"x {verb}: {error}\n")
    except OSError as error:
        sys.stderr.write(f"x {verb}: {error.filename or args.output}: {error.strerror}\n")
    return 1
