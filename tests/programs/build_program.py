#!/usr/bin/python3
"""build_program.py SOURCE PROGRAM OUT: what `x cc SOURCE -o PROGRAM` does, with the sysroot of the build in OUT.

Paths of objects in the debug map are those below the working folder, so that the program is the same wherever it was built.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "toolchain"))

from x import cc  # noqa: E402  the folder is known only now

# What the SDK has no library for.
CXX = ["-std=c++17", "-fno-exceptions", "-fno-rtti"]


def main():
    source, program, out = sys.argv[1:]
    words = [source, *(CXX if source.endswith(".cc") else []), "-o", program, "-MD", "-MF", f"{program}.d", "-MT", program, "-Wl,-oso_prefix,."]
    return subprocess.run(cc.command(out, words), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
