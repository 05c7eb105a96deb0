"""x doctor: what this machine has and lacks for Pluot, without changing it."""
import os
import platform
import subprocess

from . import qemu, setup, usage

VERSIONS = (("clang-19", "--version"), ("ld.lld-19", "--version"), ("gn", "--version"), ("ninja", "--version"),
            (qemu.QEMU, "--version"), ("gnuplot", "--version"))


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
    for program, option in VERSIONS:
        print(f"{program}: {_version(program, option)}")
    lacks = [package for package in setup.packages() if not package.present]
    for package in lacks:
        print(f"lacking {package.name} (for {package.purpose}): {package.reason}")
    if not lacks:
        print("nothing is lacking")
    return 1 if lacks else 0
