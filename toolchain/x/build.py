"""x build: generate and build one variant into out/VARIANT."""
import os
import shutil
import subprocess
import sys
import time

from . import setup, usage
from .usage import ROOT


class Failed(SystemExit):
    """A build that failed: the tools have said why."""

    def __init__(self):
        super().__init__(1)


def out_dir(variant, *parts):
    return os.path.join(ROOT, "out", variant, *parts)


def generate(variant):
    """Runs gn once for a variant; from then on ninja reruns it when a build file changes."""
    if os.path.exists(out_dir(variant, "build.ninja")):
        return
    done = subprocess.run(["gn", "gen", "-q", out_dir(variant), f'--args=variant="{variant}"'], cwd=ROOT)
    if done.returncode:
        raise Failed()


def build(variant="release", targets=(), verbose=False, quiet=False):
    """Builds `targets` (ninja names; default: all that boots) and returns out/VARIANT."""
    setup.need("build")
    generate(variant)
    command = ["ninja", "-C", out_dir(variant), *targets]
    if verbose:
        command.append("-v")
    elif quiet or not sys.stdout.isatty():
        command.append("--quiet")
    env = dict(os.environ, NINJA_STATUS=f"{variant} [%f/%t] ")
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE if "--quiet" in command else None)
    if done.returncode:
        sys.stderr.buffer.write(done.stdout or b"")
        raise Failed()
    return out_dir(variant)


def variation(variant, arguments, where):
    """Builds a variant with further GN arguments ("name=value") into `where`, a new folder beside out/VARIANT.

    It starts as a copy of what the variant has built, so that only what the arguments touch is compiled.
    """
    built = build(variant, quiet=True)
    shutil.copytree(built, where, symlinks=True, dirs_exist_ok=True,
                    ignore=lambda folder, _: ["host_tests"] if folder == built else [])
    given = " ".join([f'variant="{variant}"', *arguments])
    for command in (["gn", "gen", "-q", where, f"--args={given}"], ["ninja", "-C", where, "--quiet"]):
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            sys.stderr.buffer.write(done.stdout)
            raise Failed()
    return where


def main(argv):
    options = usage.parser("build", "Build a variant into out/VARIANT.")
    usage.variant_option(options)
    options.add_argument("-v", "--verbose", action="store_true", help="show the commands")
    options.add_argument("targets", nargs="*", help="ninja targets (default: all that boots)")
    args = options.parse_args(argv)
    start = time.monotonic()
    where = build(args.variant, args.targets, args.verbose)
    print(f"built {os.path.relpath(where)} in {time.monotonic() - start:.1f} s")
    return 0
