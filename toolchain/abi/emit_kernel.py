"""Kernel side of traps and system calls: prototypes of the handlers, dispatch tables, names for traces."""

from abi import text

TRAPS_HEADER = "osfmk/kern/mach_traps.h"
TRAPS_TABLE = "osfmk/kern/mach_trap_table.c"
CALLS_HEADER = "bsd/sys/sysproto.h"
CALLS_TABLE = "bsd/kern/bsd_syscall_table.c"

# Addresses of the program are numbers in the kernel: only copyin and copyout take them.
USER_POINTER = "user_addr_t"


def emit_traps(tables, gen, _sysroot):
    text.write(f"{gen}/{TRAPS_HEADER}", _traps_header(tables))
    text.write(f"{gen}/{TRAPS_TABLE}", _traps_table(tables))


def emit_calls(tables, gen, _sysroot):
    text.write(f"{gen}/{CALLS_HEADER}", _calls_header(tables))
    text.write(f"{gen}/{CALLS_TABLE}", _calls_table(tables))


def _kernel_args(entry):
    return [a.declare(USER_POINTER if a.is_address else None) for a in entry.args]


def _traps_header(tables):
    lines = [text.banner(["osfmk/mach/mach_traps.abi"]), "#pragma once\n\n",
             text.includes("kern/syscall_sw.h", "mach/clock_types.h", "mach/kern_return.h", "mach/message.h", "mach/vm_prot.h",
                           "mach/vm_purgable.h", "mach/vm_types.h"), "\n"]
    lines += [_trap_prototype(e) + ";\n" for e in tables.traps if e.implemented]
    return "".join(lines)


def _trap_prototype(entry):
    args = _kernel_args(entry)
    if entry.direct:
        return (f"#define NUMBER_{entry.name} {entry.number}\n"
                f"MACH_TRAP_DIRECT({', '.join([entry.name, *args])})")
    return text.prototype(entry.result, entry.name, args)


def _traps_table(tables):
    handlers = {e.number: f"{{(mach_trap_fn_t)(void *){e.name}, {'MACH_TRAP_MASKED' if e.masked else '0'}}}"
                for e in tables.traps if e.implemented}
    rows = [f"\t[{n}] = {handlers.get(n, '{(mach_trap_fn_t)(void *)mach_trap_invalid, 0}')},\n" for n in range(128)]
    names = [f"\t[{e.number}] = \"{e.name}\",\n" for e in tables.traps]
    return "".join([
        text.banner(["osfmk/mach/mach_traps.abi"]),
        text.includes("kern/mach_traps.h", "kern/syscall_sw.h"),
        "\nconst struct mach_trap mach_trap_table[MACH_TRAP_COUNT] = {\n", *rows, "};\n",
        "\nconst char *const mach_trap_names[MACH_TRAP_COUNT] = {\n", *names, "};\n",
    ])


def _served(tables):
    """(row, handler's name) of the calls that have a handler, their own or another row's."""
    implemented = {e.name for e in tables.calls if e.implemented}
    return [(e, "sys_" + e.handler) for e in tables.calls if e.handler in implemented]


def _cancel_points(tables):
    """Implemented rows that are cancellation points: those with a _nocancel twin."""
    return [e for e in tables.calls if e.implemented and e.name in tables.cancel_points]


def _cancel_wrapper(entry):
    """The dispatch table's handler of a cancellation point; the twin's row goes to sys_NAME itself."""
    names = ", ".join(a.name for a in entry.args)
    return "".join(["\nstatic ", text.prototype("sysret_t", "cancel_" + entry.name, _kernel_args(entry)),
                    "\n{\n\tif (cancel_requested()) {\n\t\treturn (sysret_t){.error = EINTR};\n\t}\n",
                    f"\t__attribute__((musttail)) return sys_{entry.name}({names});\n}}\n"])


def _cancel_bitmap(tables, last):
    words = [0] * (last // 64 + 1)
    for entry in _cancel_points(tables):
        words[entry.number // 64] |= 1 << entry.number % 64
    rows = [f"\t{word:#018x},\n" for word in words]
    return "".join(["\nconst uint64_t bsd_cancel_points[] = {\n", *rows, "};\n"])


def _calls_header(tables):
    lines = [text.banner(["bsd/sys/syscalls.abi"]), "#pragma once\n\n",
             text.includes("kern/upcalls.h", "mach/port.h", "mach/vm_types.h", "sys/types.h"), "\n"]
    lines += [text.prototype("sysret_t", "sys_" + e.name, _kernel_args(e)) + ";\n"
              for e in tables.calls if e.implemented]
    lines += ["\n", *[f"#define SYS_{e.name} {e.number}\n" for e in tables.calls if e.implemented]]
    lines.append("\n/* What an unknown number answers. */\nsysret_t sys_nosys(void);\n"
                 "\n/* For traces; NULL where the table has no row. */\n"
                 "extern const char *const bsd_syscall_names[];\n")
    return "".join(lines)


def _calls_table(tables):
    last = max(e.number for e in tables.calls)
    handlers = {e.number: handler for e, handler in _served(tables)}
    handlers |= {e.number: "cancel_" + e.name for e in _cancel_points(tables)}
    rows = [f"\t[{n}] = (bsd_syscall_fn_t)(void *){handlers.get(n, 'sys_nosys')},\n" for n in range(last + 1)]
    names = [f"\t[{e.number}] = \"{e.name}\",\n" for e in tables.calls]
    return "".join([
        text.banner(["bsd/sys/syscalls.abi"]),
        text.includes("bsd/kern/cancel.h", "kern/upcalls.h", "sys/errno.h", "sys/sysproto.h"),
        "\nsysret_t\nsys_nosys(void)\n{\n\treturn (sysret_t){.error = ENOSYS};\n}\n",
        *[_cancel_wrapper(e) for e in _cancel_points(tables)],
        "\nconst bsd_syscall_fn_t bsd_syscall_table[] = {\n", *rows, "};\n",
        f"\nconst uint32_t bsd_syscall_count = {last + 1};\n",
        _cancel_bitmap(tables, last),
        "\nconst char *const bsd_syscall_names[] = {\n", *names, "};\n",
    ])
