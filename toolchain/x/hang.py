"""Where each CPU of a stuck guest is: asked of QEMU's monitor, so the guest need not help.

The kernel keeps frame pointers: a record of the caller's frame and return address at x29, so a chain of
16-byte reads is a backtrace. One look tells where a CPU stands, not whether it stands: so there are several, between
which the guest runs on, and each place is said once, with how often it was seen. A place in user space that has no
translation is said to have none: a fault that comes again and again looks like a program that runs.
"""
import collections
import os
import re
import socket
import time

from . import symbols

PROMPT = b"(qemu) "
DEPTH = 24
REPLY_S = 5
SAMPLES = 8
SAMPLE_PERIOD_S = 0.25

_CPU = re.compile(r"CPU#(\d+)")
_REGISTER = re.compile(r"\b(PC|X29|X30|PSTATE)=([0-9a-f]+)")
_THREAD = re.compile(r"CPU #(\d+):.*?thread_id=(\d+)")
_WORDS = re.compile(r": (0x[0-9a-f]{16}) (0x[0-9a-f]{16})")


class Monitor:
    """QEMU's human monitor on its socket."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(REPLY_S)
        self._socket.connect(path)
        self._reply()

    def _reply(self):
        got = b""
        while not got.endswith(PROMPT):
            block = self._socket.recv(65536)
            if not block:
                break
            got += block
        return got.decode("utf-8", "replace").replace("\r", "")

    def ask(self, request):
        self._socket.sendall(request.encode() + b"\n")
        return self._reply()

    def close(self):
        self._socket.close()


def _registers(listing):
    """{cpu: {register: value}} from `info registers -a`."""
    cpus = {}
    for line in listing.splitlines():
        cpu = _CPU.search(line)
        if cpu:
            cpus[int(cpu.group(1))] = current = {}
        elif cpus:
            for name, value in _REGISTER.findall(line):
                current.setdefault(name, int(value, 16))
    return cpus


def _frames(monitor, registers):
    """Return addresses, innermost first."""
    addresses = [registers.get("PC", 0)]
    frame = registers.get("X29", 0)
    while len(addresses) < DEPTH and frame >> 47 == 0x1ffff and frame % 16 == 0:
        words = _WORDS.search(monitor.ask(f"x/2gx {frame:#x}"))
        if not words:
            break
        caller, address = (int(word, 16) for word in words.groups())
        if address == 0:
            break
        addresses.append(address)
        if caller <= frame:
            break
        frame = caller
    return addresses


def backtraces(monitor_path, kernel):
    """Lines that say where each CPU stands. `kernel` is a symbols.Kernel. Never raises: a hang stays the story."""
    try:
        monitor = Monitor(monitor_path)
    except OSError as error:
        return [f"(no backtraces: the monitor does not answer: {error})"]
    seen, note = [], []
    try:
        threads = _threads(monitor.ask("info cpus"))
        start, used = time.monotonic(), {cpu: _cpu_seconds(thread) for cpu, thread in threads.items()}
        for index in range(SAMPLES):
            if index > 0:
                monitor.ask("cont")
                time.sleep(SAMPLE_PERIOD_S)
            seen.append(_sample(monitor, kernel))
        passed = time.monotonic() - start
        note = [_busy(cpu, _cpu_seconds(thread), used[cpu], passed) for cpu, thread in sorted(threads.items())]
    except OSError as error:
        note = [f"(backtraces cut short: {error})"]
    finally:
        monitor.close()
    return _told(seen) + [line for line in note if line]


def _sample(monitor, kernel):
    """{cpu: lines that say where it stands}; the guest stays stopped."""
    monitor.ask("stop")
    registers = _registers(monitor.ask("info registers -a"))
    return {cpu: _one_cpu(monitor, kernel, cpu, registers[cpu]) for cpu in sorted(registers)}


def _told(samples):
    """Each place of each CPU once, the most frequent first."""
    lines = []
    for cpu in sorted({cpu for sample in samples for cpu in sample}):
        places = collections.Counter("\n".join(sample[cpu]) for sample in samples if cpu in sample)
        for place, count in places.most_common():
            first, *others = place.split("\n")
            lines += [f"{first}  ({count} of {len(samples)} samples)", *others]
    return lines


def _threads(listing):
    """{cpu: the host's thread that runs it} from `info cpus`."""
    return {int(cpu): int(thread) for cpu, thread in _THREAD.findall(listing)}


def _cpu_seconds(thread):
    """CPU time of a thread on this host; None where hosts do not say."""
    try:
        with open(f"/proc/{thread}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def _busy(cpu, now, before, passed):
    if now is None or before is None or passed <= 0:
        return ""
    return f"CPU {cpu}: {100 * (now - before) / passed:.0f} % of a host CPU meanwhile"


def _one_cpu(monitor, kernel, cpu, registers):
    level = (registers.get("PSTATE", 0) >> 2) & 3
    monitor.ask(f"cpu {cpu}")
    if level == 0:
        where = registers.get("PC", 0)
        mapped = "" if "gpa:" in monitor.ask(f"gva2gpa {where:#x}") else ", which has no translation"
        return [f"CPU {cpu}: in user space at {where:#x}{mapped}"]
    addresses = _frames(monitor, registers)
    calls = addresses[:1] + [address - symbols.CALL_BYTES for address in addresses[1:]]
    names = dict(zip(addresses, kernel.names(calls)))
    lines = [f"CPU {cpu}: EL{level}"]
    return lines + [f"  {address:#x}  {names.get(address, '?')}" for address in addresses]
