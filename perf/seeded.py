"""A kernel that is slower on purpose, for the tests of gate and compare."""

import os
import tempfile

from x import build

from perf import machine


class Slow:
    """A release build whose Mach traps execute `instructions` more; `out` is its folder, close() removes it."""

    def __init__(self, instructions):
        build.build("release", quiet=True)
        self._folder = tempfile.TemporaryDirectory(dir=os.path.join(machine.ROOT, "out"), prefix="slow-")
        self.close = self._folder.cleanup
        self.out = build.variation("release", [f"mach_trap_delay={instructions}"], self._folder.name)
