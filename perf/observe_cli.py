"""x sharing: look at one benchmark through the QEMU plugin.

Exit status: 0; 1 when the row could not be observed or lines are shared; 64 wrong usage.
"""

import sys

from x import usage

from perf import choose, machine, observe, places


def _options(verb, about):
    options = usage.parser(verb, about)
    options.add_argument("benchmark", metavar="BENCH", help="a row, by its name: x bench --list")
    options.add_argument("--cpus", type=usage.cpus, default=None, metavar="N", help="CPUs of the machine")
    usage.variant_option(options)
    return options


def _observe(args, mode, workers, least):
    row = choose.row(args.benchmark)
    cpus = args.cpus[0] if args.cpus else max(row.cpus, least)
    if row.workers and workers > cpus:
        usage.fail(f"{workers} workers need {workers} CPUs; give --cpus a larger number")
    out = machine.prepare(args.variant)
    observed = observe.observe(out, row, mode, cpus, workers if row.workers else 1)
    return observed, places.Places(out, observed.image)


# ---- sharing ----


def _bytes(mask):
    """"0-7,16" of a mask of 64 bytes"""
    runs, start = [], None
    for i in range(65):
        on = mask >> i & 1
        if on and start is None:
            start = i
        elif not on and start is not None:
            runs.append(f"{start}-{i - 1}" if i - 1 > start else f"{start}")
            start = None
    return ",".join(runs)


def _use_lines(use, where):
    for what, mask, pc in (("writes", use.written, use.write_pc), ("reads", use.read, use.read_pc)):
        if mask:
            yield f"    cpu {use.cpu} {what} bytes {_bytes(mask)}: {where.line(pc)}"


def steady(observed):
    """The lines that the operation itself shares: in at least half of the batches. The others are background work of
    the kernel that fell into a batch (a grace period that ended, a timer), which no operation pays for."""
    return [line for line in observed.lines if line.batches * 2 >= observed.batches]


def sharing_lines(observed, where):
    """The report, as lines."""
    of_operation = steady(observed)
    for line in sorted(observed.lines, key=lambda l: -l.batches):
        kind = "true sharing" if line.true_sharing else "false sharing"
        note = "" if line in of_operation else " (background)"
        yield f"{where.data(line.address)}: {kind}, in {line.batches} of {observed.batches} batches{note}"
        for use in line.uses:
            yield from _use_lines(use, where)


def sharing(argv):
    options = _options("sharing", "Cache lines written by one CPU and touched by another while a benchmark is measured.")
    options.add_argument("--workers", type=int, default=2, metavar="N", help="workers of a scale/ row (default 2)")
    args = options.parse_args(argv)
    observed, where = _observe(args, "sharing", args.workers, 2)
    print("\n".join(sharing_lines(observed, where)))
    count = len(steady(observed))
    print(f"{args.benchmark}: {count} line{'' if count == 1 else 's'} shared by the operation, "
          f"{len(observed.lines) - count} by background work, {observed.touched} touched in {observed.batches} batches")
    return 1 if count else 0


_VERBS = {"sharing": sharing}


def main(verb, argv):
    """A verb of x that is served here, and its arguments."""
    try:
        return _VERBS[verb](argv)
    except observe.ObserveError as error:
        sys.stderr.write(f"x {verb}: {error}\n")
        return 1
