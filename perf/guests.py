"""The systems that can be measured. Each has one or more names, which head its result files: Linux boots with two
command lines. A guest prepares what boots, tells its configuration, and makes the command line of one boot.
"""

import os

from perf import builds, linux, machine, plugin_report, suite

_REPORT = "plugin.txt"


class Pluot:
    """The tree in one of its variants, or a build that is there already."""

    names = ("pluot",)

    modes = ("count", "time", "model")

    def __init__(self, variant, build=None):
        self._variant = variant
        self._build = build
        self.model = ()

    def prepare(self):
        self._build = self._build or builds.own(self._variant)

    def rows(self):
        """What there is to measure: the tree that was built says it."""
        return suite.rows(self._build.root if self._build else machine.ROOT)

    def configuration(self, _name):
        return {"variant": self._build.variant, "kernel_commit": self._build.commit, "compiler": machine.compiler()}

    def model_sizes(self):
        """Of the model, as words."""
        given = dict(word.split("=") for word in self.model)
        return ",".join(f"{name}={given.get(name, size)}" for name, size in plugin_report.SIZES.items())

    def prepared(self, _name, boot, folder):
        mode = plugin_report.wanted(boot)
        words = ()
        if mode:
            words = plugin_report.words(self._build.out, mode, os.path.join(folder, _REPORT),
                                        self.model if mode == "model" else ())
        return machine.Prepared(self._build.out, boot, folder, words)

    @staticmethod
    def live(boot):
        """Are the figures final as the guest prints them?"""
        return not plugin_report.wanted(boot)

    @staticmethod
    def finish(boot, folder, outcome):
        """Behind a boot: what the plugin saw of it."""
        if not plugin_report.wanted(boot):
            return
        try:
            rows = plugin_report.read(os.path.join(folder, _REPORT), whole=not outcome.reason)
            plugin_report.apply(outcome, rows, boot.mode)
        except plugin_report.ReportError as error:
            outcome.measurements = []
            outcome.reason = outcome.reason or str(error)

    @staticmethod
    def measures(_boot, _row):
        return True


class Linux:
    """Debian's kernel; the variant of Pluot that was asked for says nothing about it."""

    names = ("linux", "linuxdefault")
    modes = ("count", "time")

    def __init__(self, _variant):
        self._out = ""

    def prepare(self):
        self._out = linux.prepare()

    @staticmethod
    def rows():
        return suite.rows(machine.ROOT, "linux")

    def configuration(self, name):
        return {"variant": "lean" if name == "linux" else "default", "kernel_commit": linux.kernel_version(),
                "compiler": machine.compiler()}

    def prepared(self, name, boot, folder):
        return linux.Prepared(self._out, boot, folder, name)

    @staticmethod
    def live(_boot):
        return True

    @staticmethod
    def finish(_boot, _folder, _outcome):
        return

    @staticmethod
    def measures(boot, row):
        """Counts come from the clock here, and that counts what an idle CPU waits: not for several workers."""
        return boot.mode != "count" or not row.workers


GUESTS = {"pluot": Pluot, "linux": Linux}
