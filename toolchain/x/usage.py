"""Wrong usage gets one line that names the choices, and status 64 (EX_USAGE)."""
import argparse
import os
import sys

EX_USAGE = 64


def fail(message):
    """Says what is wrong in one line and leaves."""
    sys.stderr.write(f"x: {message}\n")
    sys.exit(EX_USAGE)


def choice(kind, given, choices):
    """`given`, or one line that names the choices."""
    if given not in choices:
        fail(f"unknown {kind} '{given}'; choose from: {' '.join(choices)}")
    return given


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line."""

    def error(self, message):
        options = sorted(o for a in self._actions for o in a.option_strings if o.startswith("--"))
        fail(f"{self.prog.split()[-1]}: {message}; options: {' '.join(options)}")


def parser(verb, description):
    made = Parser(prog=f"x {verb}", description=description, allow_abbrev=False)
    made.exit_on_error = True
    return made


def variant_option(made, default="release"):
    made.add_argument("--variant", default=default, metavar="|".join(VARIANTS),
                      help="build variant (default: %(default)s)",
                      type=lambda given: choice("variant", given, VARIANTS))


def cpus(text):
    """The --cpus argument: a list of machine sizes, "1,2,4"."""
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        sizes = [0]
    for size in sizes:
        if not 1 <= size <= 64:
            fail(f"--cpus '{text}': give numbers from 1 to 64, such as 1,2,4")
    return sizes


VARIANTS = ("release", "debug")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
