"""Where each CPU of a stuck guest is: asked of QEMU's monitor, so the guest need not help.

The kernel keeps frame pointers: a record of the caller's frame and return address at x29, so a chain of
16-byte reads is a backtrace.
"""
import re
import socket

from . import symbols

PROMPT = b"(qemu) "
DEPTH = 24
REPLY_S = 5

_CPU = re.compile(r"CPU#(\d+)")
_REGISTER = re.compile(r"\b(PC|X29|X30|PSTATE)=([0-9a-f]+)")
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
    try:
        monitor.ask("stop")
        lines = []
        for cpu, registers in sorted(_registers(monitor.ask("info registers -a")).items()):
            lines += _one_cpu(monitor, kernel, cpu, registers)
        return lines
    except OSError as error:
        return [f"(backtraces cut short: {error})"]
    finally:
        monitor.close()


def _one_cpu(monitor, kernel, cpu, registers):
    level = (registers.get("PSTATE", 0) >> 2) & 3
    if level == 0:
        return [f"CPU {cpu}: in user space at {registers.get('PC', 0):#x}"]
    monitor.ask(f"cpu {cpu}")
    addresses = _frames(monitor, registers)
    calls = addresses[:1] + [address - symbols.CALL_BYTES for address in addresses[1:]]
    names = dict(zip(addresses, kernel.names(calls)))
    lines = [f"CPU {cpu}: EL{level}"]
    return lines + [f"  {address:#x}  {names.get(address, '?')}" for address in addresses]


