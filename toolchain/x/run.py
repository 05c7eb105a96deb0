"""x run: boots to a shell, or runs one program and returns its status."""
import os
import shutil
import subprocess
import sys
import tempfile

from . import build, hang, overlay, qemu, setup, symbols, usage


def _mebibytes(given):
    if not given.isdigit() or not 128 <= int(given) <= 65536:
        usage.fail(f"run: --memory takes 128 to 65536 MiB, not '{given}'")
    return given + "M"


def _options():
    options = usage.parser("run", "Boot Pluot: an interactive shell, or one program whose exit status is returned. "
                           "A panic gives 125, a time-out 124. Ctrl-A X ends QEMU.")
    options.add_argument("--cpus", type=usage.cpus, default=[1], help="CPUs of the machine, 1 to 64 (default: 1)")
    usage.variant_option(options)
    options.add_argument("--mode", default="time", type=lambda given: usage.choice("mode", given, ("time", "count")),
                         help="time (as fast as it goes) or count (exact virtual time); default: %(default)s")
    options.add_argument("--memory", type=_mebibytes, default="1024", metavar="MIB",
                         help="RAM of the machine, 128 to 65536 (default: 1024)")
    options.add_argument("--timeout", type=float, default=0, metavar="SECONDS", help="give up after this long")
    options.add_argument("--append", action="append", default=[], metavar="ARG", help="add a boot argument")
    options.add_argument("--ramdisk", metavar="FILE", help="boot with this ramdisk instead of the built one")
    options.add_argument("--dry-run", action="store_true", help="print the QEMU command instead of running it")
    options.add_argument("program", nargs="?", help="a path in the guest, or a program file of the host")
    options.add_argument("arguments", nargs="...", help="its arguments")
    return options


def _machine(args, out, folder):
    """The machine asked for; what this run alone needs goes into `folder`, since several may run at once."""
    if len(args.cpus) != 1:
        usage.fail("run: --cpus takes one number")
    machine = qemu.Machine(out=out, cpus=args.cpus[0], mode=args.mode, append=tuple(args.append),
                           memory=args.memory, log=os.path.join(folder, "console.log"), interactive=True)
    if args.ramdisk:
        machine.ramdisk = args.ramdisk
    if args.program:
        files = overlay.run_files([args.program, *args.arguments], out)
        machine.ramdisk = overlay.ramdisk(out, files, os.path.join(folder, "run.cpio"))
    return machine


def _keep_log(log, where):
    """The console of the run that ended last."""
    if os.path.exists(log):
        os.replace(shutil.copy(log, where + f".{os.getpid()}"), where)


def _show_names(machine, kernel):
    with open(machine.log, errors="replace", encoding="utf-8") as log:
        lines = log.read().replace("\r", "").splitlines()
    stackshot = symbols.stackshot_lines(lines)
    if stackshot:
        sys.stderr.write("\n---- the stackshot with names ----\n")
        sys.stderr.write("\n".join(kernel.annotate(stackshot)) + "\n")
    panic = symbols.panic_lines(lines)
    if panic:
        sys.stderr.write("\n---- the panic with names ----\n")
        sys.stderr.write("\n".join(kernel.annotate(lines)[-len(panic):]) + "\n")
    return lines


def execute(machine, folder, timeout=0):
    """Runs the machine on this terminal; returns the status that `x run` has."""
    kernel = symbols.Kernel(os.path.join(machine.out, "pluot.elf"), qemu.kernel_slide(machine.append))
    machine.monitor = os.path.join(folder, "monitor")
    process = subprocess.Popen(qemu.command(machine))
    try:
        status = process.wait(timeout or None)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"\nx: no end after {timeout:g} s; each CPU:\n")
        sys.stderr.write("\n".join(hang.backtraces(machine.monitor, kernel)) + "\n")
        return qemu.TIMEOUT_STATUS
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    lines = _show_names(machine, kernel)
    return qemu.status_of_console("\n".join(lines), status)


def main(argv):
    args = _options().parse_args(argv)
    setup.need("build", "run")
    out = build.build(args.variant, quiet=True)
    if args.dry_run:
        # to be pasted later, so its files stay
        machine = _machine(args, out, out)
        machine.log = ""
        print(qemu.printable(qemu.command(machine)))
        return 0
    with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
        machine = _machine(args, out, folder)
        try:
            return execute(machine, folder, args.timeout)
        finally:
            _keep_log(machine.log, os.path.join(out, "console.log"))
