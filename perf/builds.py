"""Builds that can be measured: this tree's, a build folder, or a revision's, built in a worktree of its own.

A revision is checked out and built below out/revisions, by its own ./x and with the tools of this machine, and stays
there for the next time; the few that were used last are kept. It is measured by the host code of this tree, so that
both sides of a comparison are asked in the same way.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from perf import machine

REVISIONS = os.path.join(machine.ROOT, "out", "revisions")
# Each is a whole tree with its build: some 150 MB.
KEPT = 4
_VARIANT = re.compile(r'^variant = "(\w+)"', re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{12}")


class BuildError(Exception):
    """There is no such build; the message is one line."""


@dataclass(frozen=True)
class Build:
    """`out` holds Image and ramdisk.manifest; `root` is the tree it was built from, which names the rows."""

    out: str
    root: str
    variant: str
    commit: str


def own(variant):
    """This tree, built now."""
    return Build(machine.prepare(variant), machine.ROOT, variant, machine.commit())


# ---- folders ----


def is_folder(path):
    return os.path.exists(os.path.join(path, "Image")) and os.path.exists(os.path.join(path, "args.gn"))


def _root_of(out):
    """The tree around a build folder; this one for a folder that was carried elsewhere."""
    folder = os.path.dirname(os.path.abspath(out))
    while folder != os.path.dirname(folder):
        if os.path.isdir(os.path.join(folder, "bench", "guest")):
            return folder
        folder = os.path.dirname(folder)
    return machine.ROOT


def of_folder(path):
    """A folder that somebody built (`gn gen` and `ninja`), as it is."""
    if not is_folder(path):
        raise BuildError(f"{path}: not a build folder (no Image and args.gn)")
    machine.need()
    with open(os.path.join(path, "args.gn"), encoding="utf-8") as arguments:
        text = arguments.read()
    variant = _VARIANT.search(text)
    root = _root_of(path)
    return Build(os.path.abspath(path), root, variant.group(1) if variant else "release", machine.commit(root))


# ---- revisions ----


def _git(*words):
    return subprocess.run(["git", "-C", machine.ROOT, *words], capture_output=True, text=True, check=False)


def commit_of(word):
    """The full commit that a word names, or an empty string."""
    return _git("rev-parse", "--verify", "--quiet", word + "^{commit}").stdout.strip()


@contextlib.contextmanager
def _alone(folder):
    """One process at a time makes a revision's tree."""
    os.makedirs(REVISIONS, exist_ok=True)
    with open(folder + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_out(folder, commit):
    if os.path.exists(os.path.join(folder, "x")):
        return
    shutil.rmtree(folder, ignore_errors=True)
    _git("worktree", "prune")
    made = _git("worktree", "add", "--force", "--detach", folder, commit)
    if made.returncode:
        raise BuildError((made.stderr.strip().splitlines() or [f"git worktree add {folder} failed"])[-1])


def _build(folder, variant):
    done = subprocess.run([os.path.join(folder, "x"), "build", "--variant", variant], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        log = folder + ".log"
        with open(log, "w", encoding="utf-8") as out:
            out.write(done.stdout)
        raise BuildError(f"{os.path.basename(folder)} does not build here: see {log}")


def _drop_old(keep):
    trees = [os.path.join(REVISIONS, name) for name in os.listdir(REVISIONS) if _COMMIT.fullmatch(name)]
    for tree in sorted(trees, key=os.path.getmtime, reverse=True)[KEPT:]:
        if tree != keep:
            _git("worktree", "remove", "--force", tree)


def of_revision(word, variant="release"):
    """The build of a revision, made if there is none yet."""
    commit = commit_of(word)
    if not commit:
        raise BuildError(f"no revision '{word}' in this clone (a shallow clone lacks old ones: git fetch --unshallow)")
    machine.need()
    folder = os.path.join(REVISIONS, commit[:12])
    with _alone(folder):
        _check_out(folder, commit)
        _build(folder, variant)
        os.utime(folder)
        _drop_old(folder)
    return Build(os.path.join(folder, "out", variant), folder, variant, commit[:12])
