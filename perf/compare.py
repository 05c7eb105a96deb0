"""x compare OLD NEW: two results, or two builds that are measured in turns.

A side is a result file, a folder of them, a build folder, a git revision (built in a worktree of its own), or the word
'tree' for the files as they are. Counts are compared exactly, times by Mann-Whitney's test over boots with Holm's
correction (perf/verdicts.py). Rows that only one side has are listed. Exit status: 0 nothing slower, 1 a row is slower, 2 it
cannot be told of a row (too few boots, too much noise, no figure on one side), 64 wrong usage or files that do not
belong together.
"""

import os
import sys

from x import setup, usage

from perf import builds, cli, guests, history_kept, linux, machine, results, summary, verdicts
from perf.progress import Progress

DEFAULT_OUT = os.path.join(machine.ROOT, "out", "compare")
DEFAULT_BOOTS = 10
TREE = "tree"

# Words of QEMU's command line that name files of one run, or what the kernel is told: no part of the machine. True: a
# value follows.
_NOT_MACHINE = {"-kernel": True, "-initrd": True, "-append": True, "-chardev": True, "-serial": True, "-mon": True,
                "-plugin": True, "-gdb": True, "-S": False, "-monitor": True, "-parallel": True, "-display": True}


def _boots(text):
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        usage.fail(f"compare: --boots '{text}': give a number from 1 to 1000")
    return int(text)


def options():
    made = usage.parser("compare", "Compare two results, or measure two builds in turns and compare them.")
    made.add_argument("old", metavar="OLD", help="a result file, a folder of them, a build folder, or a git revision")
    made.add_argument("new", metavar="NEW", help="the same; the word 'tree' stands for the files as they are")
    made.add_argument("--boots", type=_boots, default=DEFAULT_BOOTS, metavar="N",
                      help="boots of each build in time mode (default: %(default)s)")
    made.add_argument("--mode", type=cli.mode, default=["count", "time"], metavar="|".join(results.MODES),
                      help="what is measured of builds (default: count and time)")
    made.add_argument("--filter", type=cli.pattern, default="", metavar="RE", help="only rows whose name RE finds")
    made.add_argument("--cpus", type=usage.cpus, default=[], metavar="LIST", help="machine sizes, such as 2,4,8")
    made.add_argument("--history", default=history_kept.FOLDER, metavar="DIR",
                      help="kept results that show each row's usual noise (default: out/history)")
    made.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help="where the results of builds go")
    summary.option(made)
    usage.variant_option(made)
    return made


# ---- results ----


def _load(path, pattern):
    """{(guest, mode, machine size): Result}"""
    loaded = results.load_folder(path) if os.path.isdir(path) else [results.load(path)]
    if not loaded:
        raise results.ResultError(f"{path}: no result files in this folder")
    return {_key(r): results.chosen(r, pattern) for r in loaded}


def _key(result):
    return result.guest, result.mode, result.cpus


def machine_words(command):
    """What of a QEMU command line is the machine."""
    words = iter(command.split())
    kept = []
    for word in words:
        if word in _NOT_MACHINE:
            if _NOT_MACHINE[word]:
                next(words, None)
        else:
            kept.append(word)
    return kept


def _must_match(old, new):
    def refuse(what, one, other):
        raise results.ResultError(f"{old.path} and {new.path} cannot be compared: {what} is {one} and {other}")

    for key in ("qemu_version", "variant") + (("host_name", "host_cpus") if old.mode == "time" else ()):
        if old.context.get(key) != new.context.get(key):
            refuse(key, old.context.get(key), new.context.get(key))
    sides = [machine_words(r.context["qemu_command"]) for r in (old, new)]
    if sides[0] != sides[1]:
        different = [[w for w in a if w not in b] for a, b in (sides, sides[::-1])]
        refuse("the machine", *(" ".join(words) or "without" for words in different))


def _told(side):
    return ", ".join(f"{guest} in {mode} mode on {cpus} CPU{'s' if cpus > 1 else ''}" for guest, mode, cpus in side)


def pairs(old, new):
    """What both sides have; a refusal in one line when that is nothing."""
    common = [key for key in old if key in new]
    if not common:
        raise results.ResultError(f"nothing in common: OLD has {_told(old)}; NEW has {_told(new)}")
    for key in common:
        _must_match(old[key], new[key])
    return [(key, old[key], new[key]) for key in common]


def history_of(kept, result):
    """{row: [its earlier values on this machine, oldest first]} of kept results in the order of their dates."""
    alike = [r for r in kept if history_kept.machine_of(r) == history_kept.machine_of(result)]
    return {name: [r.value(name) for r in alike if name in r.rows] for name in result.rows}


# ---- builds ----


def _build_of(word, variant):
    if word == TREE:
        return builds.own(variant)
    if builds.is_folder(word):
        return builds.of_folder(word)
    if not builds.commit_of(word):
        usage.fail(f"compare: '{word}' is neither a result file, nor a folder of results, nor a build folder, nor a "
                   f"revision, nor '{TREE}'")
    return builds.of_revision(word, variant)


def _open(args, build, side, progress):
    """A Run of one side."""
    words = ["--mode", ",".join(args.mode), "--filter", args.filter, "--out", os.path.join(args.out, side),
             "--repetitions", str(args.boots), "--build", build.out]
    words += ["--cpus", ",".join(map(str, args.cpus))] if args.cpus else []
    given = cli.options().parse_args(words)
    guest = guests.Pluot(args.variant, build)
    return cli.open_run(given, guest, cli.plan(given, guest), progress)


def _rounds(run, mode):
    for boot in run.boots:
        if boot.mode == mode:
            run.once(run.guest.names[0], boot)


def _measure(args):
    """In turns, so that what the host does meanwhile meets both; the order swaps with each round."""
    made = [_build_of(word, args.variant) for word in (args.old, args.new)]
    progress = Progress(0)
    runs = [_open(args, build, side, progress) for build, side in zip(made, ("old", "new"))]
    for mode in args.mode:
        rounds = args.boots if mode == "time" else 1
        for number in range(rounds):
            progress.message(f"{mode} mode, boot {number + 1} of {rounds} of each side")
            for run in runs if number % 2 == 0 else runs[::-1]:
                _rounds(run, mode)
    progress.end()
    problems = [f"{side}: {problem}" for side, run in zip(("OLD", "NEW"), runs) for problem in run.problems]
    for problem in problems:
        sys.stderr.write(f"x compare: {problem}\n")
    return [{_key(r): r for r in run.results.values()} for run in runs], bool(problems)


# ---- the verb ----


def _title(key):
    guest, mode, cpus = key
    return f"{guest}, {mode} mode, {cpus} CPU{'s' if cpus > 1 else ''}"


def _notes(old, new):
    """What a reader must know of a pair."""
    for side, result in (("OLD", old), ("NEW", new)):
        if not result.complete:
            yield f"{side} is incomplete: {result.context.get('incomplete_reason', '')}"
        for what in ("failed", "skipped"):
            yield from (f"{side}: {row['name']} {what}: {row['reason']}" for row in result.context.get(what, []))
    if old.context["compiler"] != new.context["compiler"]:
        yield f"compilers differ: {old.context['compiler']} and {new.context['compiler']}"


def _show(args, kept, key, old, new):
    """Prints and returns the verdicts of a pair."""
    found = verdicts.judge(old, new, history_of(kept, new))
    notes = list(_notes(old, new))
    print(f"{_title(key)}, {old.context['kernel_commit']} and {new.context['kernel_commit']}: {verdicts.summary(found)}")
    print("\n".join([f"note: {note}" for note in notes] + [""] + summary.lines(found, old.mode) + [""]))
    if args.markdown:
        summary.markdown(args.markdown, _title(key), found, old.mode, "\n".join(f"* {note}" for note in notes))
    return found


def _is_result(word):
    return os.path.exists(word) and not builds.is_folder(word)


def _sides(args):
    """Both sides as {key: Result}, and whether measuring met a problem."""
    kinds = [_is_result(args.old), _is_result(args.new)]
    if all(kinds):
        return [_load(word, args.filter) for word in (args.old, args.new)], False
    if any(kinds):
        usage.fail("compare: give two results (files or folders), or two builds (revisions, build folders, 'tree')")
    return _measure(args)


def main(argv):
    args = options().parse_args(argv)
    args.out = os.path.abspath(args.out)
    try:
        sides, problems = _sides(args)
        found_pairs = pairs(*sides)
    except (builds.BuildError, linux.LinuxError, results.ResultError, OSError) as error:
        sys.stderr.write(f"x compare: {error}\n")
        return usage.EX_USAGE
    kept = []
    if any(mode == "time" for (_, mode, _), _, _ in found_pairs):
        setup.need("compare")
        kept, _ = history_kept.load([args.history])
    found = [verdict for key, old, new in found_pairs for verdict in _show(args, kept, key, old, new)]
    for name, side, other in (("OLD", *sides), ("NEW", *sides[::-1])):
        alone = [key for key in side if key not in other]
        if alone:
            print(f"only {name} has: {_told(alone)}")
    status = verdicts.status(found)
    return 2 if problems and status == 0 else status
