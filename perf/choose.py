"""Finds the row that a user names; a wrong name gets one line with those it may have meant, and status 64."""

import difflib

from x import usage

from perf import machine, suite

_NEAR = 6


def near(name, names):
    """Names like `name`, likeliest first."""
    word = name.lower().strip("/")
    holding = [known for known in names if word and (word in known.lower() or known.rsplit("/", 1)[0] in word)]
    alike = difflib.get_close_matches(word, names, _NEAR, 0.5)
    parts = [known for known in names if any(len(part) > 3 and part in known for part in word.split("/"))]
    return list(dict.fromkeys(holding + alike + parts))[:_NEAR]


def row(name):
    """The row of that name which a program runs; those inside the kernel have no marks to look at."""
    rows = [row for row in suite.rows(machine.ROOT) if not row.in_kernel]
    names = [row.name for row in rows]
    if name not in names:
        like = near(name, names)
        choices = f"did you mean: {' '.join(like)}" if like else f"families: {' '.join(sorted({n.split('/')[0] for n in names}))}"
        usage.fail(f"unknown benchmark '{name}'; {choices} (./x bench --list names all)")
    return rows[names.index(name)]
