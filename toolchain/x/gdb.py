"""x gdb: the kernel under a debugger, stopped at its first instruction."""
import os
import shutil
import subprocess
import tempfile

from . import build, qemu, setup, usage

DEBUGGERS = ("gdb-multiarch", "lldb-19", "gdb")


def _debugger():
    for name in DEBUGGERS:
        if shutil.which(name):
            return name
    usage.fail(f"no debugger here; install one of: {' '.join(DEBUGGERS)}")
    return None


def _attach(debugger, elf, port, slide):
    """A kernel that slides runs above where its file says; until it has switched the MMU on, it runs elsewhere anyway."""
    if debugger.startswith("lldb"):
        moved = ["-o", f"target modules load --file {elf} --slide {slide:#x}"] if slide else []
        return [debugger, elf, "-o", f"gdb-remote {port}", *moved]
    if slide:
        return [debugger, "-ex", f"add-symbol-file {elf} -o {slide:#x}", "-ex", f"target remote {port}"]
    return [debugger, elf, "-ex", f"target remote {port}"]


def main(argv):
    options = usage.parser("gdb", "Debug the kernel: QEMU waits at the first instruction, a debugger is attached.")
    options.add_argument("--cpus", type=usage.cpus, default=[1], help="CPUs of the machine (default: 1)")
    usage.variant_option(options, default="debug")
    options.add_argument("--append", action="append", default=[], metavar="ARG", help="add a boot argument")
    args = options.parse_args(argv)
    setup.need("build", "run")
    out = build.build(args.variant, quiet=True)
    debugger = _debugger()
    with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
        port = os.path.join(folder, "gdb")
        log = os.path.join(out, "console.log")
        machine = qemu.Machine(out=out, cpus=args.cpus[0], append=tuple(args.append), log=log,
                               gdb=f"unix:{port},server=on,wait=off")
        guest = subprocess.Popen(qemu.command(machine), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 start_new_session=True)
        print(f"console: {os.path.relpath(log)}")
        try:
            return subprocess.run(_attach(debugger, os.path.join(out, "pluot.elf"), port,
                                          qemu.kernel_slide(args.append)), check=False).returncode
        finally:
            guest.kill()
            guest.wait()
