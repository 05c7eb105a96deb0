"""Names of traps, calls and routines by number, for programs that show traces."""

from abi import text

NAMES = "osfmk/tools/trace_names.c"


def emit(tables, gen, _sysroot):
    parts = [text.banner(["osfmk/mach/mach_traps.abi", "bsd/sys/syscalls.abi", "osfmk/mach/mig.abi",
                          "iokit/IOKit/iokit.abi"]),
             text.includes("stddef.h"), '#include "osfmk/tools/trace_names.h"\n']
    for array, entries in (("trap", tables.traps), ("call", tables.calls), ("routine", tables.routines())):
        parts.append(f"\nconst struct trace_name trace_{array}_names[] = {{\n")
        parts += [f'\t{{ {e.number}, "{e.name}" }},\n' for e in entries]
        parts.append(f"\t{{ 0, NULL }},\n}};\n")
    text.write(f"{gen}/{NAMES}", "".join(parts))
