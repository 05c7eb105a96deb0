"""Program side of traps and system calls: numbers, prototypes, stubs."""

from abi import text

TRAPS_HEADER = "usr/include/mach/mach_traps.h"
NUMBERS_HEADER = "usr/include/sys/syscall.h"
TRAP_STUBS = "libsystem/mach_traps.S"
CALL_STUBS = "libsystem/bsd_syscalls.S"

# Lets the linker drop the stubs that a program does not use.
SUBSECTIONS = "\n\t.subsections_via_symbols\n"


def emit(tables, gen, sysroot):
    text.write(f"{sysroot}/{TRAPS_HEADER}", _traps_header(tables))
    text.write(f"{sysroot}/{NUMBERS_HEADER}", _numbers(tables))
    text.write(f"{gen}/{TRAP_STUBS}", _trap_stubs(tables))
    text.write(f"{gen}/{CALL_STUBS}", _call_stubs(tables))


def _traps_header(tables):
    head = [text.banner(["osfmk/mach/mach_traps.abi"]),
            "/* The traps as functions. Programs mostly want the calls of <mach/mach.h> above them. */\n",
            "#pragma once\n\n",
            text.includes("mach/clock_types.h", "mach/mach_time.h", "mach/mach_types.h", "mach/vm_purgable.h",
                          "stdint.h", "sys/cdefs.h"), "\n__BEGIN_DECLS\n"]
    protos = [text.prototype(e.result, e.stub, [a.declare() for a in e.args]) + ";\n"
              for e in tables.traps if e.stub]
    return "".join(head + protos + ["__END_DECLS\n"])


def _numbers(tables):
    rows = [f"#define SYS_{e.name} {e.number}\n" for e in tables.calls]
    return "".join([text.banner(["bsd/sys/syscalls.abi"]), "/* System call numbers. */\n#pragma once\n\n", *rows])


def _stub(symbol, load, tail):
    return f"\n\t.globl\t_{symbol}\n\t.p2align\t2\n_{symbol}:\n\tmov\tx16, #{load}\n\tsvc\t#0x80\n{tail}"


def _trap_stubs(tables):
    stubs = [_stub(e.stub, -e.number, "\tret\n") for e in tables.traps if e.stub]
    return "".join([text.banner(["osfmk/mach/mach_traps.abi"]), "\t.text\n", *stubs, SUBSECTIONS])


def _cerror(tables, entry):
    return "_cerror_cancel_point" if entry.name in tables.cancel_points else "_cerror"


def _call_stubs(tables):
    """Carry set means an errno in x0: cerror stores it and returns -1, if the thread is not to end here."""
    stubs = [_stub(e.stub, e.number, f"\tb.cs\t1f\n\tret\n1:\n\tb\t{_cerror(tables, e)}\n") for e in tables.calls if e.stub]
    return "".join([text.banner(["bsd/sys/syscalls.abi"]), "\t.text\n", *stubs, SUBSECTIONS])
