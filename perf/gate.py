"""x gate: exact counts against perf/baseline. x gate --accept REASON: the new counts become the baseline.

Exit status: 0 no row is slower; 1 a row is slower or gone, or could not be measured; 2 it cannot be told; 64 wrong usage.
Counts depend on compiler and QEMU. On others than the baseline's the gate says "inconclusive", measures the commit
before as well, built with the tools that are here, and judges by that; 2 only if that commit cannot be had.
"""

import os
import sys

from x import usage

from perf import baseline, builds, cli, linux, machine, results, summary, verdicts

DEFAULT_OUT = os.path.join(machine.ROOT, "out", "gate")


def options():
    made = usage.parser("gate", "Compare exact instruction counts with perf/baseline.")
    made.add_argument("--accept", metavar="REASON", help="make the new counts the baseline; the reason is kept with them")
    made.add_argument("--tolerance", type=_tolerance, action="append", default=[], metavar="ROW=PERCENT",
                      help="with --accept: the row may move by that much from now on, for the same reason")
    made.add_argument("--filter", type=cli.pattern, default="", metavar="RE", help="only rows whose name RE finds")
    made.add_argument("--baseline", default=baseline.PATH, metavar="FILE", help="another baseline than perf/baseline")
    made.add_argument("--base", metavar="REVISION", help="the commit to judge by where the baseline is of other tools "
                      "(default: the one before)")
    made.add_argument("--build", metavar="DIR", help="measure what was built in this folder, as it is")
    made.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help="where results go (default: out/gate)")
    summary.option(made)
    return made


def _tolerance(text):
    row, _, percent = text.rpartition("=")
    try:
        share = float(percent.rstrip("%")) / 100
    except ValueError:
        share = -1
    if not row or not 0 < share < 1:
        usage.fail(f"gate: --tolerance '{text}': give ROW=PERCENT, such as boot/to_init=0.5")
    return row, share


def _measure(args, out, build=None):
    """Results of one build, this tree's by default; what went wrong is said, and then there are none."""
    words = ["--mode", "count", "--filter", args.filter, "--out", out]
    words += ["--build", build.out if build else args.build] if build or args.build else []
    run = cli.measure(cli.options().parse_args(words))
    for problem in run.problems:
        sys.stderr.write(f"x gate: {problem}\n")
    return [] if run.problems else list(run.results.values())


# ---- another compiler, another QEMU ----


def _base_revision(args):
    """What the tree is held against where the baseline cannot say: HEAD if the tree differs from it, else its parent."""
    return args.base or ("HEAD" if machine.commit().endswith("+changes") else "HEAD~1")


def _judge_by_base(args, loaded, why):
    """Verdicts against the commit before, measured here, or None when it cannot be had."""
    base = _base_revision(args)
    print(f"inconclusive against the accepted counts: {why}. Measuring {base} here instead.", flush=True)
    try:
        measured = _measure(args, os.path.join(args.out, "base"), builds.of_revision(base))
    except builds.BuildError as error:
        sys.stderr.write(f"x gate: {error}\n")
        return None
    return verdicts.counts(baseline.rows_of(measured), baseline.rows_of(loaded)) if measured else None


# ---- what is said ----


def _say(args, found, against):
    changed = [v for v in found if v.word != verdicts.SAME]
    print("\n".join(summary.lines(changed, "count") + [f"{len(found) - len(changed)} of {len(found)} rows: no change"]))
    if args.markdown:
        summary.markdown(args.markdown, "Gate: exact counts", found, "count", f"Against {against}.")
    words = {v.word for v in found}
    if words & {verdicts.SLOWER, verdicts.MISSING}:
        print("gate: FAILED: a row is slower or gone; x gate --accept REASON if that is meant")
        return 1
    faster = ", ".join(v.name for v in found if v.word == verdicts.FASTER)
    print(f"gate: passed{'; faster: ' + faster + ' (x gate --accept REASON keeps the gain)' if faster else ''}")
    return 0


def _inconclusive(args, why):
    text = f"gate: inconclusive: {why}"
    print(text)
    if args.markdown:
        with open(args.markdown, "a", encoding="utf-8") as out:
            out.write(f"### {text}\n\n")
    return 2


def _gate(args, doc, loaded):
    variant = loaded[0].context["variant"]
    if variant != doc["variant"]:
        usage.fail(f"gate: this is a {variant} build, the accepted counts are of {doc['variant']}")
    why = baseline.foreign(doc, loaded[0].context)
    if not why:
        wanted = {row.name for row in cli.select_rows(args.filter)} if args.filter else None
        return _say(args, baseline.judge(doc, loaded, wanted), "the accepted counts")
    found = _judge_by_base(args, loaded, why)
    if found is None:
        return _inconclusive(args, f"{why}, and there is no commit before to measure instead")
    return _say(args, found, f"{_base_revision(args)}, measured with the tools of this machine ({why})")


def _tolerated(args, loaded):
    """--tolerance by row and machine; a row may be named with its machine or stand for all of its machines."""
    keys = baseline.rows_of(loaded)
    chosen = {}
    for row, share in args.tolerance:
        named = [key for key in keys if row in (key, baseline.row_of(key))]
        if not named:
            usage.fail(f"gate: --tolerance: no row '{row}' was measured; choose from: {' '.join(sorted(map(baseline.row_of, keys)))}")
        chosen.update((key, share) for key in named)
    return chosen


def _accept(args, doc, loaded):
    found = baseline.judge(doc, loaded) if doc else []
    path = baseline.accept(doc, loaded, args.accept.strip(), _tolerated(args, loaded), args.baseline)
    changed = [v for v in found if v.word not in (verdicts.SAME, verdicts.MISSING)]
    print("\n".join(summary.lines(changed, "count") + [f"accepted into {os.path.relpath(path)}: {args.accept}"]))
    return 0


def _checked_options(argv):
    args = options().parse_args(argv)
    args.out = os.path.abspath(args.out)
    if args.accept is not None and not args.accept.strip():
        usage.fail("gate: --accept needs a reason")
    if args.tolerance and args.accept is None:
        usage.fail("gate: --tolerance goes with --accept REASON")
    return args


def main(argv):
    args = _checked_options(argv)
    try:
        doc = baseline.load(args.baseline)
        if doc is None and args.accept is None:
            usage.fail(f"gate: there is no {os.path.relpath(args.baseline)}; x gate --accept REASON makes one")
        loaded = _measure(args, args.out)
        if not loaded:
            return 1
        return _accept(args, doc, loaded) if args.accept is not None else _gate(args, doc, loaded)
    except (baseline.BaselineError, builds.BuildError, linux.LinuxError, results.ResultError, OSError) as error:
        sys.stderr.write(f"x gate: {error}\n")
        return 1
