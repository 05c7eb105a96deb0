"""x profile: where the instructions of a benchmark go.

Two sources, told apart in everything that is written:
  exact    the QEMU plugin sees every instruction: nothing is estimated, and code that masks interrupts is seen too
  samples  the kernel's own profiler: the cycle counter interrupts once a period, and the stack is taken down

Exit status: 0; 1 when the row could not be profiled or samples were lost; 64 wrong usage.
"""

import collections
import os
import re
import sys
import tempfile

from x import usage

from perf import choose, flame, machine, observe, places, runner, sampling, stacks, suite, table
from perf.progress import Progress

SOURCES = ("exact", "samples")
DEFAULT_OUT = os.path.join(machine.ROOT, "out", "profile")
# Primes: a period that divides the length of a loop would see the same place for ever. Instructions, nanoseconds.
PERIODS = {"count": 10007, "time": 10101023}
LEAST_PERIOD = 2000
TOP = 40
_EVENTS = {"count": "instructions", "time": "cpu-clock"}
_UNITS = {"count": "instructions", "time": "ns"}


class ProfileError(Exception):
    """The row could not be profiled; the message is one line."""


def _period(text):
    if not text.isdigit() or not LEAST_PERIOD <= int(text) <= 10**12:
        usage.fail(f"profile: --period '{text}': give a number from {LEAST_PERIOD}")
    return int(text)


def _options():
    options = usage.parser(
        "profile", "Where a benchmark's instructions go: an exact table and flame graph from the QEMU plugin, and a flame "
        "graph and perf script text from the kernel's sampling profiler.")
    options.add_argument("benchmark", metavar="BENCH", help="a row, by its name: x bench --list")
    options.add_argument("--source", default=None, metavar="|".join(SOURCES),
                         type=lambda given: usage.choice("source", given, SOURCES), help="only this one (default: both)")
    options.add_argument("--mode", default="count", metavar="count|time",
                         type=lambda given: usage.choice("mode", given, ("count", "time")),
                         help="of sampling: every Nth instruction, or every N nanoseconds of a CPU (default: %(default)s)")
    options.add_argument("--period", type=_period, default=0, metavar="N",
                         help="of sampling (default: {count} instructions, {time} ns)".format(**PERIODS))
    options.add_argument("--cpus", type=usage.cpus, default=None, metavar="N", help="CPUs of the machine")
    options.add_argument("--function", default="", metavar="NAME", help="where inside this function, and nothing else")
    options.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help="where files go (default: out/profile)")
    usage.variant_option(options)
    return options


# ---- exact ----


def flat(observed, where):
    """[(function, instructions per operation)], most first"""
    sums = collections.Counter()
    for pc, executed in observed.instructions.items():
        sums[where.function(pc)] += executed
    return [(name, executed / observed.operations) for name, executed in sums.most_common()]


def inside(observed, where, function):
    """[("inlined function (file:line)", instructions per operation)] of one function"""
    sums = collections.Counter()
    for pc, executed in observed.instructions.items():
        if where.function(pc) == function:
            sums[re.sub(r" <.*", "", where.line(pc))] += executed
    return [(name, executed / observed.operations) for name, executed in sums.most_common()]


def chains(observed, where):
    """(frames, instructions) of every chain of calls that was seen."""
    where.learn({address for sites, pc in observed.chains for address in sites + (pc,)})
    for (sites, pc), executed in observed.chains.items():
        yield where.frames(sites + (pc,)), executed


def _exact_files(args, folder, observed, where):
    about = (f"exact: the QEMU plugin saw every instruction of {observed.operations:,} operations; the same in every run, "
             "interrupts masked or not")
    stem = os.path.join(folder, "exact")
    folded = stacks.fold(chains(observed, where))
    return [_write(stem + ".folded", stacks.folded_text(folded)),
            _write(stem + ".svg", flame.svg(folded, f"{args.benchmark}: instructions, exact", about,
                                            "instructions per operation", observed.operations))]


def _tell_table(args, observed, rows):
    total = sum(observed.instructions.values()) / observed.operations
    print(f"{args.benchmark}: {total:,.1f} instructions per operation, {observed.operations} operations "
          f"(the row itself: {observed.per_operation:,.15g}, reading the counter taken off)")
    # function to the left, its figures behind it
    print("\n".join(table.layout(["", "instructions", "share"], [
        [name, f"{count:.1f}", f"{100 * count / total:.1f} %"] for name, count in rows[:TOP] if count >= 0.05])))
    if len(rows) > TOP:
        print(f"(+{len(rows) - TOP} more with less)")


def _exactly(args, out, row, cpus):
    vectors = places.Places(out, 0).address_of("exception_vectors")
    observed = observe.observe(out, row, f"stacks,vectors={vectors:x}", cpus)
    where = places.Places(out, observed.image)
    rows = inside(observed, where, args.function) if args.function else flat(observed, where)
    if not rows:
        usage.fail(f"profile: '{args.function}' does not run; choose from: "
                   + " ".join(name for name, _ in flat(observed, where)))
    _tell_table(args, observed, rows)
    if args.function:
        return 0
    print("exact, with the callers of each instruction:")
    print("\n".join(f"  {os.path.relpath(path)}" for path in _exact_files(args, _folder(args), observed, where)))
    if observed.unmatched:
        sys.stderr.write(f"x profile: {observed.unmatched} returns met no call: callers in the exact stacks may be wrong\n")
    return 0


# ---- sampling ----


def sample(out, row, mode, cpus, period):
    """Boots `row` with the kernel's profiler on: (Samples, Measurement, where the program lay)."""
    progress = Progress(1)
    with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
        log = os.path.join(folder, "console.log")
        boot = suite.Boot(mode, cpus, (row,), (1,))
        prepared = machine.Prepared(out, boot, folder, options=("--sample", str(period)), pmu=True)
        progress.boot(f"{row.name} on {cpus} CPU{'s' if cpus > 1 else ''}, sampled in {mode} mode")
        outcome = runner.run(prepared.command, mode, log, progress, prepared.backtraces)
        progress.end()
        reasons = [outcome.reason, *outcome.failed.values(), *outcome.skipped.values()]
        if any(reasons) or not outcome.measurements:
            raise ProfileError(f"{row.name}: {next(filter(None, reasons), 'nothing was measured')}")
        with open(log, encoding="utf-8", errors="replace") as console:
            taken = sampling.parse(console)
        return taken, outcome.measurements[-1], observe.image(log)


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _folder(args):
    folder = os.path.join(os.path.abspath(args.out), args.benchmark.replace("/", "-"))
    os.makedirs(folder, exist_ok=True)
    return folder


def _share(samples, wanted):
    total = sum(s.weight for s in samples)
    return 100 * sum(s.weight for s in samples if wanted(s)) / total


def _sampled_files(args, folder, taken, samples):
    exact = args.mode == "count"
    about = (f"samples: the kernel's profiler, every {taken.period:,} {_UNITS[args.mode]} of a CPU, {len(samples):,} samples, "
             f"{taken.lost:,} lost; {'repeatable to the last sample' if exact else 'wall time, differs between runs'}")
    stem = os.path.join(folder, "samples" if exact else "samples-time")
    folded = stacks.fold((s.frames, s.weight) for s in samples)
    return [_write(stem + ".linux-perf.txt", stacks.script_text(samples, _EVENTS[args.mode])),
            _write(stem + ".folded", stacks.folded_text(folded)),
            _write(stem + ".svg", flame.svg(folded, f"{args.benchmark}: {_UNITS[args.mode]}, sampled", about,
                                            f"{_UNITS[args.mode]} sampled"))]


def _tell_overhead(measured):
    without, with_it = measured.values.get("ns/op"), measured.values.get("sampled-ns/op")
    if without and with_it:
        percent = measured.values.get("sampled-percent", 0) - 100
        print(f"sampling costs {percent:+.1f} %: median over pairs of batches, with it and without, in one boot "
              f"(medians {with_it:,.15g} and {without:,.15g} ns/op)")


def _by_samples(args, out, row, cpus):
    taken, measured, image = sample(out, row, args.mode, cpus, args.period or PERIODS[args.mode])
    samples = list(sampling.stacked(taken, places.Places(out, image), args.mode == "count"))
    if not samples:
        raise ProfileError(f"{row.name}: no sample fell into a batch; give a shorter --period than {taken.period}")
    files = _sampled_files(args, _folder(args), taken, samples)
    kernel = _share(samples, lambda s: s.frames[-1].kernel)
    masked = _share(samples, lambda s: s.frames[-1].name == sampling.MASKED)
    print(f"samples: {len(samples):,}, one every {taken.period:,} {_UNITS[args.mode]}; {kernel:.1f} % in the kernel, "
          f"{masked:.1f} % where interrupts are masked (the exact source sees inside)")
    _tell_overhead(measured)
    print("\n".join(f"  {os.path.relpath(path)}" for path in files))
    if taken.lost:
        sys.stderr.write(f"x profile: {taken.lost} samples were lost: the kernel's buffer was full; give a longer --period\n")
    return 1 if taken.lost else 0


# ---- the verb ----


def _run(args):
    row = choose.row(args.benchmark)
    cpus = args.cpus[0] if args.cpus else max(row.cpus, 2 if args.mode == "time" else 1)
    if row.cpus > cpus:
        usage.fail(f"{row.name} needs {row.cpus} CPUs; give --cpus a larger number")
    out = machine.prepare(args.variant)
    status = 0
    if args.function or args.source != "samples":
        status = _exactly(args, out, row, args.cpus[0] if args.cpus else row.cpus)
    if not args.function and args.source != "exact":
        status = _by_samples(args, out, row, cpus) or status
    return status


def main(verb, argv):
    """The verb of x that is served here, and its arguments."""
    try:
        return _run(_options().parse_args(argv))
    except (ProfileError, observe.ObserveError, sampling.SamplingError, stacks.StackError) as error:
        sys.stderr.write(f"x {verb}: {error}\n")
    except OSError as error:
        sys.stderr.write(f"x {verb}: {error.filename}: {error.strerror}\n")
    return 1
