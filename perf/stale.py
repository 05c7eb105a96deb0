"""x stale: a program under the checker for stale translations: a use of a translation that the page tables no longer
hold, on a machine whose TLBs never forget unless told (perf/plugin/stale.h).

QEMU's own TLB forgets nearly everything at each switch and invalidation, so a TLBI that the kernel leaves out goes unseen;
real CPUs keep what they have. Exit status: the program's; 1 when a stale translation was used; 64 wrong usage.
"""

import os
import sys
import tempfile

from x import build, overlay, qemu, setup, symbols, usage

from perf import plugin_report
from perf.console import Console

PROGRAM = "/tests/vm_stress"
# A program that fills memory first has less to fill, and every page of it is looked at many times over.
_MEMORY = "256M"
_SILENCE_S = 600
_LIMIT_S = 1800
_ABOUT = {
    "moved": "the CPU's translation leads to another page than the tables",
    "unmapped": "the tables hold nothing there any more",
    "read-only": "the CPU may still write what the tables say is read-only",
    "asid": "its ASID was given to another address space while translations of the former one lived",
}


def _options():
    options = usage.parser("stale", "Run a program on a machine whose TLBs never forget unless told, and fail when a CPU uses a "
                           "translation that the page tables no longer hold.")
    options.add_argument("--cpus", type=usage.cpus, default=[2], metavar="N", help="CPUs of the machine (default: 2)")
    usage.variant_option(options)
    options.add_argument("--host-clock", action="store_true",
                         help="the CPUs take turns by the host's clock: for programs whose threads do not wait for each other, "
                              "but look again and again; no two runs are the same")
    options.add_argument("--append", action="append", default=[], metavar="ARG",
                         help="add a boot argument, such as pmap_skip_tlbi=300 in the debug variant")
    options.add_argument("program", nargs="?", default=PROGRAM, help=f"a path in the guest (default: {PROGRAM})")
    options.add_argument("arguments", nargs="...", help="its arguments")
    return options


def findings(report):
    """([(kind, cpu, asid, address, pc, cached, now)], uses, TLBIs) of a report."""
    found, uses, tlbis = [], 0, 0
    lines = [line.split() for line in report.splitlines()]
    if not lines or lines[-1] != ["end"]:
        raise plugin_report.ReportError("the checker's report is not complete")
    for words in lines:
        if words[0] == "stale":
            found.append((words[1], int(words[2]), *[int(word, 16) for word in words[3:]]))
        elif words[0] == "stale-summary":
            uses, tlbis = int(words[1]), int(words[2])
        elif words[0] == "unknown-tlbi":
            raise plugin_report.ReportError("the kernel used a TLBI that the checker cannot follow")
    return found, uses, tlbis


def told(finding, kernel):
    """One finding as lines."""
    kind, cpu, asid, address, pc, cached, now = finding
    where = kernel.names([pc])[0] if pc >> 63 else f"a program, at {pc:#x}"
    if kind == "asid":
        return [f"stale: cpu {cpu}, ASID {address}: {_ABOUT[kind]} (table {cached:#x}, now {now:#x})", f"    switched by {where}"]
    leads = f"page {cached:#x}, tables: " + (f"page {now:#x}" if now else "nothing")
    return [f"stale: cpu {cpu}, ASID {asid}, address {address:#x}: {_ABOUT[kind]} ({leads})", f"    used by {where}"]


def check(out, cpus, program, append=(), echo=None, mode="count"):
    """Runs `program` (words); returns (its status, findings, uses, TLBIs)."""
    kernel_lines = []
    with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
        report = os.path.join(folder, "report.txt")
        machine = qemu.Machine(out=out, cpus=cpus, mode=mode, append=tuple(append), memory=_MEMORY,
                               extra=plugin_report.words(out, "stale", report))
        machine.ramdisk = overlay.ramdisk(out, overlay.run_files(program, out), os.path.join(folder, "ramdisk.cpio"))
        console = Console(qemu.command(machine), os.path.join(folder, "console.log"), _SILENCE_S, _LIMIT_S)
        try:
            for line in console.lines():
                kernel_lines.append(line)
                if echo:
                    echo(line)
        finally:
            console.close()
        if console.how != "exit":
            raise plugin_report.ReportError(f"no verdict: the program did not end ({console.how}: no line for {_SILENCE_S} s, "
                                            f"or {_LIMIT_S} s in all)")
        with open(report, encoding="utf-8") as text:
            found, uses, tlbis = findings(text.read())
    return qemu.status_of_console("\n".join(kernel_lines), console.status), found, uses, tlbis


def main(_verb, argv):
    args = _options().parse_args(argv)
    if len(args.cpus) != 1:
        usage.fail("stale: --cpus takes one number")
    setup.need("build", "run")
    out = build.build(args.variant, quiet=True)
    try:
        status, found, uses, tlbis = check(out, args.cpus[0], [args.program, *args.arguments], args.append, print,
                                           "turns" if args.host_clock else "count")
    except (plugin_report.ReportError, OSError) as error:
        sys.stderr.write(f"x stale: {error}\n")
        return 1
    kernel = symbols.Kernel(os.path.join(out, "pluot.elf"))
    for finding in found:
        print("\n".join(told(finding, kernel)))
    print(f"stale translations used: {len(found)} ({uses:,} uses looked at, {tlbis:,} invalidations)")
    return 1 if found else status
