"""The systems that can be measured. Each has one or more names, which head its result files: Linux boots with two
command lines. A guest prepares what boots, tells its configuration, and makes the command line of one boot.
"""

from perf import linux, machine


class Pluot:
    """The tree, in one of its variants."""

    names = ("pluot",)

    def __init__(self, variant):
        self._variant = variant
        self._out = ""

    def prepare(self):
        self._out = machine.prepare(self._variant)

    def configuration(self, _name):
        return {"variant": self._variant, "kernel_commit": machine.commit(), "compiler": machine.compiler()}

    def prepared(self, _name, boot, folder):
        return machine.Prepared(self._out, boot, folder)

    @staticmethod
    def measures(_boot, _row):
        return True


class Linux:
    """Debian's kernel; the variant of Pluot that was asked for says nothing about it."""

    names = ("linux", "linuxdefault")

    def __init__(self, _variant):
        self._out = ""

    def prepare(self):
        self._out = linux.prepare()

    def configuration(self, name):
        return {"variant": "lean" if name == "linux" else "default", "kernel_commit": linux.kernel_version(),
                "compiler": machine.compiler()}

    def prepared(self, name, boot, folder):
        return linux.Prepared(self._out, boot, folder, name)

    @staticmethod
    def measures(boot, row):
        """Counts come from the clock here, and that counts what an idle CPU waits: not for several workers."""
        return boot.mode != "count" or not row.workers


GUESTS = {"pluot": Pluot, "linux": Linux}
