"""x doctor: what this machine has and lacks for Pluot, without changing it."""
import os
import platform
import shutil
import subprocess

from . import qemu, setup, usage
from .usage import ROOT

# Bytes: out/release, out/debug, unit tests with sanitizers, and some results.
DISK_NEEDED = 2 * 2**30
QEMU_TESTED = "7.2"

VERSIONS = (("clang-19", "--version"), ("ld.lld-19", "--version"), ("gn", "--version"), ("ninja", "--version"),
            (qemu.QEMU, "--version"), ("gnuplot", "--version"), ("rsvg-convert", "--version"))


def _version(program, option):
    try:
        said = subprocess.run([program, option], stdout=subprocess.PIPE, text=True, check=False).stdout
        return said.splitlines()[0] if said else "?"
    except OSError:
        return "missing"


def main(argv):
    usage.parser("doctor", "Say what this machine has and lacks.").parse_args(argv)
    print(f"host: {platform.machine()}, {os.cpu_count()} CPUs, {platform.platform()}")
    print(f"accelerator: {qemu.accelerator('time')} for time mode, tcg for count mode")
    free = shutil.disk_usage(ROOT).free
    print(f"free disk space: {free / 2**30:.1f} GiB")
    if free < DISK_NEEDED:
        print(f"lacking disk space: builds of both variants and results take {DISK_NEEDED / 2**30:.0f} GiB")
    for program, option in VERSIONS:
        print(f"{program}: {_version(program, option)}")
    if QEMU_TESTED not in _version(qemu.QEMU, "--version"):
        print(f"note: figures were checked with QEMU {QEMU_TESTED}; counts do not depend on it, times do")
    lacks = [package for package in setup.packages() if not package.present]
    for package in lacks:
        print(f"lacking {package.name} (for {package.purpose}): {package.reason}")
    if not lacks:
        print("nothing is lacking")
    return 1 if lacks else 0
