"""The machine under test: builds the guest and gives the command line of one boot. All QEMU knowledge is x's."""

import os
import platform
import re
import subprocess

from x import build, hang, overlay, qemu, setup, symbols

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = "/bin/bench"
# All that a measuring guest has on its ramdisk, by the beginning of the path: launchd, the benchmarks, and what they
# start or open. Tests and tools stay out, so that adding one moves no row.
RAMDISK = ("/sbin/launchd", PROGRAM)


def _first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def qemu_version():
    match = re.search(r"version (\S+)(?: \((.*)\))?", _first_line(["qemu-system-aarch64", "--version"]))
    return match.group(2) or match.group(1) if match else "unknown"


def compiler():
    return _first_line(["clang-19", "--version"])


def commit(root=ROOT):
    """The commit of a tree, with "+changes" when the tree differs from it."""
    git = ["git", "-C", root]
    head = _first_line(git + ["rev-parse", "HEAD"])
    if head == "unknown":
        return head
    status = subprocess.run(git + ["status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True)
    return head[:12] + ("+changes" if status.stdout.strip() else "")


def host_name():
    return platform.node() or "unknown"


def need():
    """Installs what building and booting need. Pictures can wait: nothing that was measured hangs on them."""
    setup.need("build", "run")


def prepare(variant):
    """Builds what boots; returns the folder."""
    need()
    return build.build(variant, quiet=True)


def program_arguments(boot, options=()):
    """What the guest's bench is told: rows by exact name, so that choice is made in one place, here on the host."""
    # without a name it would run everything; this is none
    names = [row.name for row in boot.rows if not row.in_kernel] or ["-"]
    workers = ",".join(str(n) for n in boot.workers)
    mode = "time" if boot.mode == "time" else "count"
    return [PROGRAM, "--mode", mode, "--workers", workers, *options, "--", *names]


def kernel_arguments(boot):
    names = [row.name for row in boot.rows if row.in_kernel]
    return ("kbench=" + ",".join(names),) if names else ()


class Prepared:
    """One boot ready to start: its command line and, should it hang or panic, the means to say where.

    `folder` takes the ramdisk and the monitor's socket; it is the caller's and short-lived. `extra` are further words
    of QEMU's command line, `options` of the benchmark program's; `pmu` has the counters on in time mode too.
    """

    def __init__(self, out, boot, folder, extra=(), options=(), pmu=False):
        self._kernel = symbols.Kernel(os.path.join(out, "pluot.elf"))
        self._monitor = os.path.join(folder, "monitor")
        files = overlay.run_files(program_arguments(boot, options), out)
        machine = qemu.Machine(out=out, cpus=boot.cpus, mode="time" if boot.mode == "time" else "count",
                               append=kernel_arguments(boot),
                               extra=tuple(extra), pmu=pmu)
        machine.ramdisk = overlay.ramdisk_of(RAMDISK, out, files, os.path.join(folder, "ramdisk.cpio"))
        self.printable = qemu.printable(qemu.command(machine))
        machine.monitor = self._monitor
        self.command = qemu.command(machine)

    def backtraces(self):
        """Where each CPU of the stuck guest is, as lines."""
        return hang.backtraces(self._monitor, self._kernel)

    def named(self, console_lines):
        """Console lines with names beside the kernel's addresses."""
        return self._kernel.annotate(console_lines)
