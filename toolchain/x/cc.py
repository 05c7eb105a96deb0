"""x cc: compiles and links C programs for Pluot, with what anybody could type.

C++ as well, as far as it needs no C++ library: -fno-exceptions -fno-rtti.

    clang-19 --config=out/release/sysroot/pluot.cfg prog.c -o prog

The configuration file in the sysroot holds every flag, so a build system needs nothing but that file.
"""
import os
import subprocess

from . import build, usage

SDK = "toolchain/libsystem:sdk"


def command(out, argv):
    """What compiles and links with the sysroot of the build in `out`."""
    return ["clang-19", f"--config={os.path.join(out, 'sysroot', 'pluot.cfg')}", *argv]


def main(argv):
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: ./x cc FILE.c... -o PROGRAM [clang options]")
        return 0 if argv else usage.EX_USAGE
    out = build.build("release", [SDK], quiet=True)
    return subprocess.run(command(out, argv), check=False).returncode
