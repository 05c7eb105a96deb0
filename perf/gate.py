"""x gate: exact counts against perf/baseline. x gate --accept REASON: the new counts become the baseline.

Exit status: 0 no row is slower; 1 a row is slower or gone (or could not be measured); 64 wrong usage. On another
compiler or QEMU than the baseline's the gate says "inconclusive", measures the commit before as well, with the tools
that are here, and judges by that.
"""

import os
import shutil
import subprocess
import sys

from x import usage

from perf import baseline, cli, machine, results, table, verdicts

DEFAULT_OUT = os.path.join(machine.ROOT, "out", "gate")


def _options():
    made = usage.parser("gate", "Compare exact instruction counts with perf/baseline.")
    made.add_argument("--accept", metavar="REASON", help="make the new counts the baseline; the reason is kept with them")
    made.add_argument("--filter", default="", metavar="RE", help="only rows whose name RE finds")
    made.add_argument("--baseline", default=baseline.PATH, metavar="FILE", help="another baseline than perf/baseline")
    made.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help="where results go (default: out/gate)")
    return made


def _measure(out, pattern):
    args = cli.options().parse_args(["--mode", "count", "--filter", pattern, "--out", out])
    run = cli.measure(args)
    return [results.load(path) for path in run.files], run.problems


def _base_commit():
    """What the tree is compared with where the baseline cannot say: HEAD if the tree differs from it, else its parent."""
    return "HEAD" if machine.commit().endswith("+changes") else "HEAD~1"


def _measure_base(folder, pattern):
    """Counts of the commit before, built and measured with the tools of this machine."""
    tree = os.path.join(folder, "base-tree")
    git = ["git", "-C", machine.ROOT, "worktree"]
    subprocess.run([*git, "remove", "--force", tree], capture_output=True, check=False)
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run([*git, "prune"], capture_output=True, check=False)
    subprocess.run([*git, "add", "--detach", tree, _base_commit()], check=True, capture_output=True)
    try:
        out = os.path.join(folder, "base")
        subprocess.run([os.path.join(tree, "x"), "bench", "--mode", "count", "--filter", pattern, "--out", out],
                       check=True, stdout=subprocess.DEVNULL)
        return baseline.rows_of(results.load_folder(out))
    finally:
        subprocess.run([*git, "remove", "--force", tree], capture_output=True, check=False)


def chosen_rows(doc_rows, pattern_rows, measured):
    """Of the baseline's rows, those that this run was to measure: all, or those a filter left."""
    if pattern_rows is None:
        return doc_rows
    return {key: value for key, value in doc_rows.items() if key in measured or key.split(" on ")[0].split("/threads:")[0] in pattern_rows}


def lines(found):
    """The table: rows that changed, then how many did not."""
    changed = [v for v in found if v.word != verdicts.SAME]
    rows = [[v.name, table.number(v.old), table.number(v.new), verdicts.percent(v.change), v.word] for v in changed]
    said = table.layout(["benchmark", "baseline", "now", "change", "verdict"], rows) if rows else []
    return said + [f"{len(found) - len(changed)} of {len(found)} rows: no change"]


def _judge(doc, loaded, args):
    measured = baseline.rows_of(loaded)
    foreign = baseline.foreign(doc, loaded[0].context)
    if foreign:
        print(f"inconclusive against perf/baseline: {foreign}. Measuring {_base_commit()} here instead.")
        base = _measure_base(os.path.abspath(args.out), args.filter)
        return verdicts.counts(base, measured)
    names = None
    if args.filter:
        names = {row.name for row in cli.select_rows(args.filter)}
    return verdicts.counts(chosen_rows(doc["rows"], names, measured), measured)


def _accept(doc, loaded, args):
    old = doc["rows"] if doc else {}
    found = verdicts.counts(old, baseline.rows_of(loaded))
    changes = [(v.name, v.old, v.new) for v in found if v.word in (verdicts.SLOWER, verdicts.FASTER)]
    path = baseline.accept(doc, loaded, args.accept, changes, args.baseline)
    print("\n".join(lines(found)))
    print(f"accepted into {os.path.relpath(path)}: {args.accept}")
    return 0


def main(argv):
    args = _options().parse_args(argv)
    if args.accept is not None and not args.accept.strip():
        usage.fail("gate: --accept needs a reason")
    try:
        doc = baseline.load(args.baseline)
        if doc is None and args.accept is None:
            usage.fail(f"gate: there is no {os.path.relpath(args.baseline)}; x gate --accept REASON makes one")
        loaded, problems = _measure(args.out, args.filter)
        for problem in problems:
            sys.stderr.write(f"x gate: {problem}\n")
        if problems or not loaded:
            return 1
        if args.accept is not None:
            return _accept(doc, loaded, args)
        found = _judge(doc, loaded, args)
    except (baseline.BaselineError, results.ResultError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"x gate: {error}\n")
        return 1
    print("\n".join(lines(found)))
    status = 1 if verdicts.status(found) == 1 else 0
    print("gate: " + ("FAILED: a row is slower or gone; x gate --accept REASON if that is meant" if status else "passed"))
    return status
