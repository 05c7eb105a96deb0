"""What the tests of the tree share: its files, and the tools run on them."""
import concurrent.futures
import os
import subprocess

from x import build
from x.usage import ROOT


def files(*patterns):
    """Tracked and new files that match, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [name for name in sorted(set(listed.splitlines())) if os.path.isfile(os.path.join(ROOT, name))]


def said(command, folder=ROOT):
    """What a command printed, both streams; and its status."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout, done.returncode


def each(work, items):
    """work(item) for all items on every CPU, in order."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def none(case, found, what):
    """Fails the test `case` when `found`, a list of lines, is not empty."""
    if found:
        case.fail("\n  ".join([what, *found]))


def release():
    """out/release, built."""
    return build.build("release", quiet=True)
