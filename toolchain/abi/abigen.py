#!/usr/bin/python3
"""Generates everything that follows from the ABI tables; the tables' grammar is in table.py.

usage: abigen.py kernel-traps|kernel-calls|kernel-mig|iokit-mig|user|trace-names GEN_DIR SYSROOT TABLE...

Each mode writes its files below GEN_DIR, and headers of the SDK below SYSROOT, at paths that BUILD.gn repeats.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from abi import emit_kernel, emit_mig_kernel, emit_mig_user, emit_names, emit_user  # noqa: E402
from abi.table import TableError, Tables  # noqa: E402

def _user(tables, gen, sysroot):
    emit_user.emit(tables, gen, sysroot)
    emit_mig_user.emit(tables, gen, sysroot)


MODES = {
    "kernel-traps": emit_kernel.emit_traps,
    "kernel-calls": emit_kernel.emit_calls,
    "kernel-mig": emit_mig_kernel.emit,
    "iokit-mig": emit_mig_kernel.emit_iokit,
    "user": _user,
    "trace-names": emit_names.emit,
}


def main(argv):
    if len(argv) < 5 or argv[1] not in MODES:
        sys.stderr.write(__doc__)
        return 64
    tables = Tables()
    try:
        for path in argv[4:]:
            tables.load(path)
    except TableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    MODES[argv[1]](tables, argv[2], argv[3])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
