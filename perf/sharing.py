"""x sharing: which cache lines the CPUs share while benchmarks run, by symbol and field.

  x sharing BENCH...    rows: each line that one CPU wrote and another one touched, and by what code
  x sharing --zero      the rows of independent work, which must share nothing
  x sharing --matrix    pairs of operations, each on a CPU of its own: the lines that the two share

Exit status: 0; 1 when a row could not be observed or shares a line (--zero: one that is not a known finding); 64 wrong usage.
docs/sharing.md says how to read what is printed.
"""

import datetime
import json
import os
import re
import sys
from dataclasses import dataclass, field

from x import usage

from perf import choose, kernel_memory, machine, observe, places, results, suite, table

# Work that two CPUs do without a common object: no line may be written by one and touched by the other.
ZERO = ("scale/null_mach", "scale/null_unix", "scale/rpc_pairs", "scale/semaphores", "scale/pipe_pingpong",
        "scale/port_lifecycle", "scale/fault_zero_fill", "scale/fault_in_tasks", "scale/allocate_deallocate",
        "scale/read_files", "scale/open_close", "scale/fork_exit_wait", "scale/gethostname", "scale/gettimeofday",
        "scale/switch_threads", "scale/wake_pingpong", "scale/short_sleep")
# One port and many senders: the queue's word and the messages are shared, nothing else.
ONE_PORT = "scale/one_port"
_KNOWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sharing_known.json")
# What the matrix holds unless rows are named.
MATRIX = ("syscall/null_mach", "syscall/null_unix", "ipc/rpc_inline/64", "ipc/semaphore_pingpong", "ipc/port_lifecycle",
          "vm/fault_zero_fill", "vm/allocate_deallocate/16384", "vm/protect_pair", "file/open_close", "file/stat",
          "file/read/4096", "file/pipe_same_thread", "sync/mutex_uncontended", "sched/thread_create_join")
_PAIR_WORKERS = 2
DEFAULT_OUT = os.path.join(machine.ROOT, "out", "bench")


# ---- a row's lines, with names ----


@dataclass
class Shared:
    """A line with its names: `what` lies under the bytes in question, `by` what code on each CPU."""

    address: int
    true_sharing: bool
    batches: int
    what: list
    by: list = field(default_factory=list)

    @property
    def kind(self):
        return "true" if self.true_sharing else "false"


def steady(row):
    """The lines that the operation itself shares: in at least half of the batches. The others are background work of
    the kernel that fell into a batch (a grace period that ended, a timer), which no operation pays for."""
    return [line for line in row.lines if line.batches * 2 >= row.batches]


def _contested(line):
    """Bytes that matter: where one CPU wrote and another one touched; with false sharing, all that were touched."""
    mask = 0
    for use in line.uses:
        others = 0
        for other in line.uses:
            others |= (other.read | other.written) if other.cpu != use.cpu else 0
        mask |= use.written & (others if line.true_sharing else ~0)
    if not line.true_sharing:
        for use in line.uses:
            mask |= use.read | use.written
    return mask


def bytes_of(mask):
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


def _accesses(line):
    for use in line.uses:
        for what, mask, pc in (("writes", use.written, use.write_pc), ("reads", use.read, use.read_pc)):
            if mask:
                yield use.cpu, what, mask, pc


def named(lines, row, memory, where):
    """Shared of each line."""
    memory.told(row)
    pcs = sorted({pc for line in lines for _, _, _, pc in _accesses(line)})
    names = where.lines(pcs)
    return [Shared(line.address, line.true_sharing, line.batches, memory.names(line.address, _contested(line)),
                   [f"cpu {cpu} {what} bytes {bytes_of(mask)}: {names[pc]}" for cpu, what, mask, pc in _accesses(line)])
            for line in lines]


def title(shared):
    return "; ".join(shared.what[:3]) + (f" (+{len(shared.what) - 3} more)" if len(shared.what) > 3 else "")


def _grouped(shared):
    """[(title, kind, lines)]: lines of one name together, most first."""
    groups = {}
    for one in shared:
        groups.setdefault((re.sub(r"0x[0-9a-f]+|\[\d+\]", "…", title(one)), one.kind), []).append(one)
    return sorted(((what, kind, lines) for (what, kind), lines in groups.items()), key=lambda g: -len(g[2]))


# ---- x sharing BENCH ----

_SHOWN = 24


def report(name, row, memory, where):
    """Everything about one row, as lines."""
    of_operation = steady(row)
    shown = sorted(row.lines, key=lambda l: (l not in of_operation, -l.batches, l.address))[:_SHOWN]
    for one in named(shown, row, memory, where):
        note = "" if one.batches * 2 >= row.batches else " (background)"
        yield f"{title(one)}: {one.kind} sharing, in {one.batches} of {row.batches} batches{note}"
        yield from (f"    {text}" for text in one.by)
    if len(row.lines) > _SHOWN:
        yield f"(+{len(row.lines) - _SHOWN} lines more)"
        for what, kind, lines in _grouped(named(of_operation, row, memory, where)):
            yield f"{len(lines):6} line{'s' if len(lines) > 1 else ' '} {kind} sharing: {what}"
    count = len(of_operation)
    yield (f"{name}: {count} line{'' if count == 1 else 's'} shared by the operation, "
           f"{len(row.lines) - count} by background work, {row.touched} touched in {row.batches} batches")


def _observed(rows, cpus, workers, args, options=()):
    out = machine.prepare(args.variant)
    memory = kernel_memory.Memory(out, machine.ROOT)
    boot = suite.Boot("count", cpus, tuple(rows), (workers,))
    seen = observe.rows(out, boot, "sharing", memory.options(cpus), options)
    return seen, memory, places.Places(out, seen.image)


def _rows_wanted(args):
    rows = [choose.row(name) for name in args.benchmark]
    cpus = args.cpus[0] if args.cpus else max([2] + [row.cpus for row in rows])
    if args.workers > cpus:
        usage.fail(f"{args.workers} workers need {args.workers} CPUs; give --cpus a larger number")
    return rows, cpus


def _benchmarks(args):
    rows, cpus = _rows_wanted(args)
    seen, memory, where = _observed(rows, cpus, args.workers, args)
    status = 0
    for name, row in seen.rows:
        print("\n".join(report(name, row, memory, where)))
        status |= bool(steady(row))
    return status


# ---- x sharing --zero ----


def known():
    """{row: [(expression, why)]}: lines that independent work still shares, with where it comes from."""
    with open(_KNOWN, encoding="utf-8") as source:
        return {row: [(item["what"], item["why"]) for item in items] for row, items in json.load(source).items()}


def judge(name, shared, findings):
    """(lines nobody knows of, {why: lines}) of one row."""
    new, old = [], {}
    for one in shared:
        why = next((why for what, why in findings.get(name, []) if any(re.search(what, w) for w in one.what)), None)
        if why is None:
            new.append(one)
        else:
            old.setdefault(why, []).append(one)
    return new, old


def _zero(args):
    args.benchmark = list(args.benchmark or ZERO + (ONE_PORT,))
    rows, cpus = _rows_wanted(args)
    seen, memory, where = _observed(rows, cpus, args.workers, args)
    findings, status, lines = known(), 0, []
    for name, row in seen.rows:
        plain = name.rpartition("/threads:")[0] or name
        new, old = judge(plain, named(steady(row), row, memory, where), findings)
        status |= bool(new)
        verdict = "NOT ZERO" if new else "known" if old else "zero"
        lines.append([plain, str(len(new)), str(sum(map(len, old.values()))), verdict])
        for what, kind, found in _grouped(new):
            print(f"{plain}: {len(found)} line{'s' if len(found) > 1 else ''}, {kind} sharing: {what}")
            print("\n".join(f"    {text}" for text in found[0].by))
        for why, found in old.items():
            print(f"{plain}: known, {len(found)} line{'s' if len(found) > 1 else ''}: {why}")
    print("\n".join(table.layout(["benchmark", "lines", "known", "verdict"], lines)))
    return status


# ---- x sharing --matrix ----


def pair_of(name, rows):
    """The two rows of "pair/a.b+c.d"."""
    plain = {row.replace("/", "."): row for row in rows}
    first, _, second = name.removeprefix("pair/").partition("+")
    return plain[first], plain[second]


def matrix_document(names, seen, memory, where, cpus, context):
    """DIR/sharing.json: the matrix, and the lines of each cell."""
    size = {name: i for i, name in enumerate(names)}
    cells = [[None] * len(names) for _ in names]
    lines = {}
    for name, row in seen.rows:
        one, other = pair_of(name, names)
        found = steady(row)
        for i, j in ((size[one], size[other]), (size[other], size[one])):
            cells[i][j] = len(found) if row.batches else None
        if found:
            lines[one if one == other else f"{one} beside {other}"] = [
                {"what": title(s), "kind": s.kind, "by": "; ".join(s.by)} for s in named(found[:_SHOWN], row, memory, where)]
    return {"context": context, "cpus": cpus, "rows": list(names), "matrix": cells, "lines": lines,
            "zero": [n for n in names if cells[size[n]][size[n]] == 0]}


def _matrix_lines(doc):
    header = [""] + [str(i + 1) for i in range(len(doc["rows"]))] + [""]
    rows = [[f"{i + 1} {name}"] + ["?" if v is None else "." if v == 0 else str(v) for v in doc["matrix"][i]] + [""]
            for i, name in enumerate(doc["rows"])]
    return table.layout(header, rows)


def _matrix(args):
    names = list(args.benchmark or MATRIX)
    rows = [choose.row(name) for name in names]
    cpus = args.cpus[0] if args.cpus else 2
    if cpus < _PAIR_WORKERS:
        usage.fail("a matrix needs 2 CPUs; give --cpus a larger number")
    seen, memory, where = _observed(rows, cpus, _PAIR_WORKERS, args, ("--pair",))
    context = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "guest": "pluot",
               "mode": "sharing", "cpus": str(cpus), "variant": args.variant, "kernel_commit": machine.commit(),
               "compiler": machine.compiler(), "qemu_version": machine.qemu_version()}
    doc = matrix_document(names, seen, memory, where, cpus, context)
    path = os.path.join(os.path.abspath(args.out), "sharing.json")
    results.write(path, doc)
    print("\n".join(_matrix_lines(doc)))
    for cell, lines in doc["lines"].items():
        for line in lines[:3]:
            print(f"{cell}: {line['kind']} sharing: {line['what']}")
        if len(lines) > 3:
            print(f"{cell}: (+{len(lines) - 3} lines more)")
    print(f"matrix: {path}")
    print(f"picture: {_draw(doc, os.path.dirname(path))}")
    missing = [name for name, _ in seen.missing]
    for name, reason in seen.missing:
        sys.stderr.write(f"x sharing: {name}: {reason}\n")
    return 1 if missing else 0


def _draw(doc, folder):
    from perf import plots, report_extras  # pylint: disable=import-outside-toplevel (drawing is not always wanted)
    picture, = plots.draw([report_extras.sharing_picture(doc)])
    target = os.path.join(folder, "report")
    os.makedirs(target, exist_ok=True)
    plots.save(target, [picture])
    return os.path.join(target, picture.name + ".svg")


# ---- the verb ----


def _options():
    options = usage.parser("sharing", "Cache lines written by one CPU and touched by another while benchmarks run.")
    options.add_argument("benchmark", metavar="BENCH", nargs="*", help="rows, by their names: x bench --list")
    options.add_argument("--zero", action="store_true", help="the rows that must share nothing; findings that are known pass")
    options.add_argument("--matrix", action="store_true", help="every two of the rows beside each other, on a CPU each")
    options.add_argument("--cpus", type=usage.cpus, default=None, metavar="N", help="CPUs of the machine (default 2)")
    options.add_argument("--workers", type=int, default=2, metavar="N", help="workers of a scale/ row (default 2)")
    options.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help="where --matrix writes sharing.json (default: out/bench)")
    usage.variant_option(options)
    return options


def main(_verb, argv):
    args = _options().parse_args(argv)
    if args.zero and args.matrix:
        usage.fail("sharing: --zero or --matrix, not both")
    if not (args.benchmark or args.zero or args.matrix):
        usage.fail("sharing: name a benchmark (x bench --list), or give --zero or --matrix")
    if args.workers < 1:
        usage.fail("sharing: --workers: give a number from 1")
    try:
        return _zero(args) if args.zero else _matrix(args) if args.matrix else _benchmarks(args)
    except observe.ObserveError as error:
        sys.stderr.write(f"x sharing: {error}\n")
        return 1
