"""Addresses of an observed run into names: functions of the kernel and of the benchmark program."""

import bisect
import functools
import os
import re
import subprocess

from x import symbols

from perf import code, stacks

NM = "llvm-nm-19"
# Above: the kernel's half of the address space.
_KERNEL = 1 << 47
# Where ld64.lld links a program, below its 4 GiB of __PAGEZERO.
_LINKED_AT = 0x100000000
# Farther behind a symbol than this is another program: several run in rows that make processes.
_LARGEST_FUNCTION = 1 << 16
_PROGRAM = "/bin/bench"
_PROGRAM_FILE = "guest/bin/bench"


class _Symbols:
    """Sorted symbols of one file."""

    def __init__(self, path, kinds):
        listed = subprocess.run([NM, "-n", "--defined-only", path], capture_output=True, text=True, check=False).stdout
        self.at, self.names = [], []
        for line in listed.splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in kinds and not words[2].startswith(("$", ".L", "ltmp")):
                self.at.append(int(words[0], 16))
                self.names.append(words[2])

    def find(self, address):
        """(name, offset), or ("", 0)"""
        i = bisect.bisect_right(self.at, address) - 1
        return (self.names[i], address - self.at[i]) if i >= 0 else ("", 0)


class Places:
    """Names for one build in `out` and one run, whose program lay at `image`."""

    def __init__(self, out, image):
        elf = os.path.join(out, "pluot.elf")
        self._out = out
        self.kernel = symbols.Kernel(elf)
        self._text = _Symbols(elf, "tT")
        self._program = _Symbols(os.path.join(out, _PROGRAM_FILE), "tT")
        self._inlined = {}
        self._program_slide = image - _LINKED_AT if image else None

    def function(self, pc):
        """The function of an instruction; the linker's, inlined ones are part of their callers."""
        if pc >= _KERNEL:
            return self._text.find(pc)[0] or hex(pc)
        if self._program_slide is None:
            return "[user]"
        name = self._program.find(pc - self._program_slide)[0]
        return "[user] " + name.removeprefix("_") if name else "[user]"

    @functools.lru_cache(maxsize=None)
    def frame(self, pc):
        """A frame of a call stack."""
        if pc >= _KERNEL:
            name, offset = self._text.find(pc)
            return stacks.Frame(name or hex(pc), True, pc, offset)
        name, offset = self._program.find(pc - (self._program_slide or 0))
        if self._program_slide is None or not name or offset > _LARGEST_FUNCTION:
            return stacks.Frame("[user]", False, pc, 0)
        return stacks.Frame(name.removeprefix("_"), False, pc, offset, _PROGRAM)

    def learn(self, pcs):
        """Looks up at once which functions were inlined at these addresses; the kernel says, the program does not."""
        new = sorted(pc for pc in pcs if pc >= _KERNEL and pc not in self._inlined)
        for pc, told in zip(new, self.kernel.names(new)):
            self._inlined[pc] = [re.sub(r" \(.*", "", name) for name in told.split(" < ")][-2::-1]

    def frames(self, pcs):
        """The frames of a stack, outermost first: of each address, its function and what was inlined there."""
        frames = []
        for pc in pcs:
            frames.append(self.frame(pc))
            frames += [stacks.Frame(name, True, pc) for name in self._inlined.get(pc, ()) if name != "??"]
        return tuple(frames)

    def line(self, pc):
        """"function (file:line)" of an instruction, callers of inlined functions behind it."""
        return self.kernel.names([pc])[0] if pc >= _KERNEL else self.function(pc)

    def lines(self, pcs):
        """{instruction: "function (file:line)"} of many at once."""
        kernel = [pc for pc in pcs if pc >= _KERNEL]
        names = dict(zip(kernel, self.kernel.names(kernel)))
        return {pc: names[pc] if pc in names else self.function(pc) for pc in pcs}

    def code(self):
        """(kernel, program) as code.Code; without a known place the program's addresses have no code."""
        program = os.path.join(self._out, _PROGRAM_FILE)
        return code.Code(self.kernel.elf), code.Code(program, self._program_slide or 0)

    def address_of(self, name):
        """The address of a function of the kernel."""
        return self._text.at[self._text.names.index(name)]
