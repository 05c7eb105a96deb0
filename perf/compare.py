"""x compare OLD NEW: two result files or folders, or two revisions that are built and measured in turns.

Counts are compared exactly, times by Mann-Whitney's test over boots with Holm's correction (perf/verdicts.py). Rows
that only one side has are listed. Exit status: 0 nothing slower, 1 a row is slower or gone, 2 it cannot be told,
64 wrong usage.
"""

import os
import subprocess
import sys

from x import usage

from perf import machine, results, table, verdicts

DEFAULT_OUT = os.path.join(machine.ROOT, "out", "compare")
DEFAULT_BOOTS = 10


def _boots(text):
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        usage.fail(f"compare: --boots '{text}': give a number from 1 to 1000")
    return int(text)


def _options():
    made = usage.parser("compare", "Compare two result files or folders, or build and measure two revisions in turns.")
    made.add_argument("old", metavar="OLD", help="a result file, a folder of them, or a git revision")
    made.add_argument("new", metavar="NEW", help="the same; the word 'tree' stands for the files as they are")
    made.add_argument("--boots", type=_boots, default=DEFAULT_BOOTS, metavar="N",
                      help="boots of each revision in time mode (default: %(default)s)")
    made.add_argument("--filter", default="", metavar="RE", help="only rows whose name RE finds")
    made.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help="where revisions and their results go")
    made.add_argument("--markdown", metavar="FILE", help="append the tables as Markdown, for a CI summary")
    return made


# ---- files ----


def _load(path):
    """Results by (mode, machine size)."""
    loaded = results.load_folder(path) if os.path.isdir(path) else [results.load(path)]
    if not loaded:
        raise results.ResultError(f"{path}: no result files in this folder")
    return {(r.mode, r.cpus): r for r in loaded}


def _machines_must_match(old, new):
    for key in ("qemu_version", "variant", "guest"):
        if old.context[key] != new.context[key]:
            raise results.ResultError(
                f"{old.path} and {new.path} cannot be compared: {key} is {old.context[key]} and {new.context[key]}")
    if old.mode == "time" and old.context["host_name"] != new.context["host_name"]:
        raise results.ResultError(f"{old.path} and {new.path} are times of different hosts")


def _values(result):
    return {name: [e["real_time"] for e in entries] for name, entries in result.rows.items()}


def judge(old, new):
    """Verdicts of two Results of one mode and machine size."""
    _machines_must_match(old, new)
    if old.mode == "count":
        return verdicts.counts({n: old.value(n) for n in old.rows}, {n: new.value(n) for n in new.rows})
    return verdicts.times(_values(old), _values(new))


def pairs(old, new):
    """What both sides have, by (mode, size); a refusal in one line when that is nothing."""
    common = [key for key in old if key in new]
    if not common:
        def told(side):
            return ", ".join(f"{mode} mode on {cpus} CPUs" for mode, cpus in side)
        raise results.ResultError(f"nothing in common: OLD has {told(old)}; NEW has {told(new)}")
    return [(key, old[key], new[key]) for key in common]


# ---- revisions ----


def _git(*words):
    return subprocess.run(["git", "-C", machine.ROOT, *words], capture_output=True, text=True, check=False)


class Revision:
    """A revision's tree, checked out beside the results; 'tree' is this one."""

    def __init__(self, word, folder, side):
        self.folder = os.path.join(folder, side)
        self.entries = {}
        self.contexts = {}
        if word == "tree":
            self.tree = machine.ROOT
            return
        commit = _git("rev-parse", "--verify", "--quiet", word + "^{commit}").stdout.strip()
        if not commit:
            usage.fail(f"compare: '{word}' is neither a result file, nor a folder of them, nor a revision, nor 'tree'")
        self.tree = os.path.join(folder, side + "-tree")
        _git("worktree", "remove", "--force", self.tree)
        made = _git("worktree", "add", "--force", "--detach", self.tree, commit)
        if made.returncode:
            usage.fail(f"compare: {made.stderr.strip().splitlines()[-1]}")

    def measure(self, mode, pattern):
        """One boot of each machine; entries are kept by (mode, size)."""
        command = [os.path.join(self.tree, "x"), "bench", "--mode", mode, "--out", self.folder]
        command += ["--filter", pattern] if pattern else []
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise results.ResultError(f"x bench failed in {self.tree} (status {done.returncode})")
        for result in results.load_folder(self.folder):
            key = (result.mode, result.cpus)
            self.contexts[key] = result.context
            for entries in result.rows.values():
                self.entries.setdefault(key, []).extend(entries)

    def results(self):
        """All boots together, as Results that were also written to the folder."""
        merged = {}
        for (mode, cpus), entries in self.entries.items():
            path = os.path.join(self.folder, "all", results.file_name(self.contexts[mode, cpus]["guest"], mode, cpus))
            results.write(path, results.document(self.contexts[mode, cpus], entries))
            merged[mode, cpus] = results.load(path)
        return merged

    def remove(self):
        if self.tree != machine.ROOT:
            _git("worktree", "remove", "--force", self.tree)


def _measure_revisions(args):
    """In turns, so that what the host does meanwhile meets both; the order swaps with each round."""
    sides = [Revision(args.old, args.out, "old"), Revision(args.new, args.out, "new")]
    try:
        for side in sides:
            side.measure("count", args.filter)
        for boot in range(args.boots):
            sys.stderr.write(f"x compare: boot {boot + 1} of {args.boots}\n")
            for side in sides if boot % 2 == 0 else sides[::-1]:
                side.measure("time", args.filter)
        return [side.results() for side in sides]
    finally:
        for side in sides:
            side.remove()


# ---- output ----

_HEADER = ["benchmark", "old", "new", "change", "p", "verdict"]


def _cells(verdict, mode):
    show = table.number if mode == "count" else table.nanoseconds
    p = "" if verdict.p is None else f"{verdict.p:.3f}"
    word = verdict.word + (f" ({verdict.why})" if verdict.why else "")
    return [verdict.name, show(verdict.old), show(verdict.new), verdicts.percent(verdict.change), p, word]


def _title(mode, cpus):
    return f"{mode} mode, {cpus} CPU{'s' if cpus > 1 else ''}"


def _summary(found):
    words = [v.word for v in found]
    order = (verdicts.SLOWER, verdicts.FASTER, verdicts.SAME, verdicts.INCONCLUSIVE, verdicts.MISSING, verdicts.NEW)
    return ", ".join(f"{words.count(w)} {w}" for w in order if w in words)


def _markdown(path, blocks):
    with open(path, "a", encoding="utf-8") as out:
        for (mode, cpus), found in blocks:
            out.write(f"### {_title(mode, cpus)}: {_summary(found)}\n\n| {' | '.join(_HEADER)} |\n|---|--:|--:|--:|--:|---|\n")
            for verdict in found:
                out.write(f"| {' | '.join(_cells(verdict, mode))} |\n")
            out.write("\n")


def _is_file(word):
    return os.path.exists(word) and (os.path.isdir(word) or word.endswith(".json"))


def main(argv):
    args = _options().parse_args(argv)
    args.out = os.path.abspath(args.out)
    try:
        if _is_file(args.old) and _is_file(args.new):
            sides = [_load(args.old), _load(args.new)]
        elif _is_file(args.old) or _is_file(args.new):
            usage.fail("compare: give two files (or folders), or two revisions")
        else:
            sides = _measure_revisions(args)
        blocks = [(key, judge(old, new)) for key, old, new in pairs(*sides)]
    except results.ResultError as error:
        sys.stderr.write(f"x compare: {error}\n")
        return 64
    for (mode, cpus), found in blocks:
        print(f"{_title(mode, cpus)}: {_summary(found)}\n")
        print("\n".join(table.layout(_HEADER, [_cells(v, mode) for v in found])) + "\n")
    if args.markdown:
        _markdown(args.markdown, blocks)
    return verdicts.status([v for _, found in blocks for v in found])
