"""The machine: one place that turns what a run wants into a QEMU command line.

Modes (what each can tell is in the README of perf/):
  count  software emulation where one instruction is one nanosecond of virtual time: every run is identical
  turns  software emulation in one thread whose CPUs take turns by the host's clock: none of them waits for long for
         its turn, which under the clock of count mode may happen; no two runs are the same
  time   the fastest way this host has to run the guest, CPUs in parallel

The exit status of a guest comes through semihosting. Hardware virtualisation has none: there the kernel's
closing line on the console says it (`status_of_console`).
"""
import dataclasses
import os
import platform
import re
import shlex
import tempfile

QEMU = "qemu-system-aarch64"
MEMORY = "1G"

PANIC_STATUS = 125
TIMEOUT_STATUS = 124

_HALTED = re.compile(r"pluot: halted, status (\d+)")


@dataclasses.dataclass
class Machine:
    """One boot. `append` are boot arguments; `monitor` the path of the monitor's socket, if it shall have one;
    `interactive` connects the terminal, with Ctrl-A as the escape; `log` keeps a copy of the console."""

    out: str
    cpus: int = 1
    mode: str = "time"
    append: tuple = ()
    ramdisk: str = ""
    memory: str = MEMORY
    monitor: str = ""
    log: str = ""
    interactive: bool = False
    pmu: bool = False  # in time mode: counters cost wall time, so they are off unless asked for
    gdb: str = ""
    extra: tuple = ()


def accelerator(mode):
    """"tcg", "kvm" or "hvf". Exact counts need the emulator; time takes the host's CPU if it is an arm64."""
    if mode in ("count", "turns") or platform.machine() not in ("aarch64", "arm64"):
        return "tcg"
    if platform.system() == "Darwin":
        return "hvf"
    return "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) else "tcg"


def _processor(machine, accel):
    pmu = machine.pmu or machine.mode == "count"
    if accel != "tcg":
        return ["-accel", accel, "-cpu", "host"]
    # The architected pointer authentication hash would cost 600 ns a use.
    cpu = f"max,pauth-impdef=on,pmu={'on' if pmu else 'off'}"
    if machine.mode == "count":
        # sleep=off: idle time passes at once. The seed and the clock are fixed so that nothing differs.
        return ["-accel", "tcg", "-cpu", cpu, "-icount", "shift=0,sleep=off,align=off", "-seed", "1",
                "-rtc", "base=2000-01-01,clock=vm"]
    return ["-accel", "tcg,thread=" + ("single" if machine.mode == "turns" else "multi"), "-cpu", cpu]


def _console(machine):
    log = f",logfile={machine.log}" if machine.log else ""
    if machine.interactive:
        console = ["-chardev", f"stdio,id=console,mux=on,signal=off{log}", "-serial", "chardev:console",
                   "-mon", "chardev=console"]
    else:
        console = ["-chardev", f"stdio,id=console,signal=off{log}", "-serial", "chardev:console"]
    if machine.monitor:
        console += ["-chardev", f"socket,id=monitor,path={machine.monitor},server=on,wait=off",
                    "-mon", "chardev=monitor"]
    return ["-display", "none", "-monitor", "none", "-parallel", "none"] + console


def command(machine):
    """The command line of a Machine, a list of words."""
    accel = accelerator(machine.mode)
    append = list(machine.append)
    words = [QEMU, "-M", "virt,gic-version=3,dtb-randomness=off"]
    words += _processor(machine, accel)
    words += ["-smp", str(machine.cpus), "-m", machine.memory, "-nodefaults", "-no-reboot"]
    words += _console(machine)
    if accel == "tcg":
        words += ["-semihosting-config", "enable=on,target=native"]
        append.append("semihosting")
    words += ["-kernel", os.path.join(machine.out, "Image")]
    words += ["-initrd", machine.ramdisk or os.path.join(machine.out, "ramdisk.cpio")]
    if append:
        words += ["-append", " ".join(append)]
    if machine.gdb:
        words += ["-gdb", machine.gdb, "-S"]
    return words + list(machine.extra)


# A function of the seed, as osfmk/arm64/start_slide.c has it.
_SLIDE_BLOCK_BITS, _SLIDE_BLOCK_SHIFT = 10, 25
_SLIDE_STEP_BITS, _SLIDE_STEP_SHIFT = 7, 16


def kernel_slide(append):
    """How far above its link address a kernel with these boot arguments runs; QEMU's device tree brings no seed."""
    for word in append:
        name, _, value = word.partition("=")
        if name == "kaslr":
            try:
                seed = int(value, 16)
            except ValueError:
                return 0
            block = seed & ((1 << _SLIDE_BLOCK_BITS) - 1)
            step = seed >> _SLIDE_BLOCK_BITS & ((1 << _SLIDE_STEP_BITS) - 1)
            return (block << _SLIDE_BLOCK_SHIFT) + (step << _SLIDE_STEP_SHIFT)
    return 0


def printable(words):
    """The command as a person can paste it into a shell."""
    return " ".join(shlex.quote(word) for word in words)


def monitor_path():
    """A fresh path for a monitor's socket: short, since the length of such paths is limited."""
    return os.path.join(tempfile.mkdtemp(prefix="pluot-"), "monitor")


def status_of_console(text, status):
    """The guest's status: what its closing line says where QEMU's own exit status cannot."""
    halted = _HALTED.findall(text)
    if halted:
        return int(halted[-1]) & 0xff
    if status == 0:
        # Powered off without a closing line: nothing that ends well does that.
        return PANIC_STATUS
    return status
