"""The verbs of ./x, and which module serves each. A module is loaded only when its verb is used."""
import importlib
import os
import signal
import sys

from . import usage

# verb: (module, what it does). perf's module serves several verbs and is told which.
VERBS = {
    "build": ("x.build", "build a variant into out/VARIANT"),
    "run": ("x.run", "boot to a shell, or run one program and return its status"),
    "test": ("x.test", "unit tests, guest tests, format and layering checks"),
    "bench": ("perf.cli", "measure, and write the report"),
    "profile": ("perf.profile", "say where a benchmark's instructions go"),
    "trace": ("perf.trace", "draw what the kernel did while a benchmark ran"),
    "stat": ("perf.stat", "print every event of a benchmark, in perf stat's manner"),
    "sharing": ("perf.sharing", "say which cache lines a benchmark's CPUs share"),
    "sim": ("perf.simulate", "run the scheduling policy on simulated machines of up to 1024 CPUs"),
    "paging": ("perf.paging", "replay reference strings through the kernel's page replacement, beside LRU and others"),
    "stale": ("perf.stale", "run a program with TLBs that never forget, and find translations that outlive the tables"),
    "compare": ("perf.cli", "compare two results, or two revisions measured in turns"),
    "history": ("perf.cli", "kept results over time, change points marked"),
    "gate": ("perf.cli", "exact counts against perf/baseline"),
    "cc": ("x.cc", "compile a C program for Pluot"),
    "gdb": ("x.gdb", "debug the kernel under QEMU"),
    "doctor": ("x.doctor", "say what this machine has and lacks"),
    "completion": ("x.completion", "make bash or zsh complete verbs, options and rows"),
}


# They change what compilers and linkers see, and with it what is built.
FOREIGN_ENVIRONMENT = ("CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "LD_LIBRARY_PATH", "COMPILER_PATH", "SDKROOT",
                       "MACOSX_DEPLOYMENT_TARGET", "CCC_OVERRIDE_OPTIONS")


def help_text():
    lines = ["usage: ./x VERB [OPTION...]   (./x VERB --help says more)"]
    return "\n".join(lines + [f"  {verb:8} {about}" for verb, (_, about) in VERBS.items()])


def _terminated(_number, _frame):
    """Being ended by another process is what being interrupted by the user is: guests are ended, files are closed."""
    raise KeyboardInterrupt


def main(argv):
    signal.signal(signal.SIGTERM, _terminated)
    if not argv or argv[0] in ("help", "--help", "-h"):
        print(help_text())
        return 0 if argv else usage.EX_USAGE
    for name in FOREIGN_ENVIRONMENT:
        os.environ.pop(name, None)
    verb = usage.choice("verb", argv[0], VERBS)
    module, _ = VERBS[verb]
    try:
        served = importlib.import_module(module)
        return served.main(verb, argv[1:]) if module.startswith("perf.") else served.main(argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write("\nx: interrupted\n")
        return 130
