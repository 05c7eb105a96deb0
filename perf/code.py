"""The instructions of the kernel and of the benchmark program, by the address they run at: 32-bit words out of the ELF
and the Mach-O file."""

import bisect
import struct

_PT_LOAD = 1
_LC_SEGMENT_64 = 0x19
_WORD = 4


def _elf_segments(data):
    """(address, offset, bytes) of what an ELF file loads"""
    offset, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, _, at, address, _, length = struct.unpack_from("<IIQQQQ", data, offset + i * size)
        if kind == _PT_LOAD:
            yield address, at, length


def _macho_segments(data):
    """The same of a 64-bit Mach-O file; its header is 32 bytes."""
    at = 32
    for _ in range(struct.unpack_from("<I", data, 16)[0]):
        command, size = struct.unpack_from("<II", data, at)
        if command == _LC_SEGMENT_64:
            address, _, offset, length = struct.unpack_from("<QQQQ", data, at + 24)
            if length:
                yield address, offset, length
        at += size


class Code:
    """One file. `slide` is how far from its link addresses it runs."""

    def __init__(self, path, slide=0):
        with open(path, "rb") as file:
            self._data = file.read()
        elf = self._data.startswith(b"\x7fELF")
        self._segments = sorted((_elf_segments if elf else _macho_segments)(self._data))
        self._slide = slide

    def word(self, address):
        """The instruction at an address, or None where the file has nothing."""
        address -= self._slide
        i = bisect.bisect_right(self._segments, (address, 1 << 64, 0)) - 1
        if i < 0:
            return None
        start, offset, length = self._segments[i]
        if address - start + _WORD > length:
            return None
        return struct.unpack_from("<I", self._data, offset + address - start)[0]
