"""x test: unit tests on the host and tests in the guest, each a suite of KTAP results.

A suite is one process: a test program of the host, a Python test file, or one boot of the guest. A suite
that gives no result, breaks its plan or ends with a bad status fails, whatever its results say. A time-out
is a hang detector and nothing else.
"""
import collections
import concurrent.futures
import dataclasses
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time

from . import build, hang, junit, ktap, overlay, qemu, setup, symbols, usage
from .usage import ROOT

HOST_LIMIT_S = 900
GUEST_LIMIT_S = 400
LONG_FACTOR = 10
COUNT_FACTOR = 4
GUEST_CPUS = (1, 2, 4)
# The tests of tests/stress run on a machine of this size as well. More CPUs than the host has are slow, not stuck.
STRESS_CPUS = 8
STRESS_WORD = "stress"
# Tests that real time tells run once more where it is exact, made by instructions, and decide there.
EXACT_WORDS = "sched_,hardly_late,usage,takes_no_lock"
EXACT_CPUS = (1,)
# Debug kernels that stop, or let others run, around one in so many atomic operations: narrow windows become wide ones.
STALL_VARIANT = "debug"
STALL_ONE_IN = 30
STALL_CPUS = (2, 4)
# The largest machine: the kernel's tests of the scheduler, and programs that use CPUs; all tests with --long.
MANY_CPUS = 64
MANY_KERNEL_WORDS = "sched"
MANY_PROGRAM_WORDS = "processor,offline"
# The environment of --long, for programs that can do more of the same.
LONG_ENVIRONMENT = ("PATH=/bin:/sbin", "STRESS_LONG=1")
TAIL_LINES = 60
# A failure told once more at the end: a panic with where it was, or what was said last.
REASON_LINES = 3
PANIC_LINES = 12


@dataclasses.dataclass
class Suite:
    """One process and what it said."""

    name: str
    command: list
    limit_s: float
    env: dict = dataclasses.field(default_factory=dict)
    machine: qemu.Machine = None  # of a boot
    filter: str = ""  # of a boot: the cases that are wanted
    cases: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    log: str = ""

    @property
    def failed(self):
        return [case for case in self.cases if case.outcome == ktap.FAILED]


# ---- which suites there are ----


def _python_files():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f != "out" and not f.startswith((".", "__")))
        for name in sorted(names):
            if name.endswith("_test.py") or (name.startswith("test_") and name.endswith(".py")):
                yield os.path.relpath(os.path.join(folder, name), ROOT)


def host_suites(options):
    """Programs of //:host_tests (built in the release tree: the variant does not touch them) and Python tests."""
    out = build.build("release", ["host_tests"], quiet=True)
    folder = os.path.join(out, "host_tests")
    env = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1",
           "TSAN_OPTIONS": "halt_on_error=1", "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19"}
    env["TEST_LONG"] = "1" if options.long else ""
    limit = HOST_LIMIT_S * (LONG_FACTOR if options.long else 1)
    suites = [Suite(f"host/{name}", [os.path.join(folder, name)], limit, env)
              for name in sorted(_built_tests(out))]
    runner = os.path.join(ROOT, "toolchain/x/pyunit.py")
    suites += [Suite(f"host/{path[:-3]}", ["/usr/bin/python3", runner, os.path.join(ROOT, path)], limit, env)
               for path in _python_files()]
    return suites


def _built_tests(out):
    """Names of the test programs that belong to the build of now: a folder may keep old ones."""
    listed = subprocess.run(["ninja", "-C", out, "-t", "inputs", "host_tests"], stdout=subprocess.PIPE, text=True,
                            check=True)
    return [os.path.basename(line) for line in listed.stdout.splitlines() if "host_tests/" in line]


def guest_suites(options, folder):
    """Two boots for each machine: tests inside the kernel, and the programs in /tests; some more for the stress and for
    the largest machine, unless machines are named."""
    suites = []
    for variant in options.variants:
        out = build.build(variant, quiet=True)
        for cpus in options.cpus:
            where = f"guest/{variant}/cpus{cpus}"
            pattern = _guest_words(options.filter, where)
            machine = qemu.Machine(out=out, cpus=cpus, append=(f"ktest={pattern}" if pattern else "ktest", _slide()))
            suites.append(_boot(f"{where}/kernel", options, folder, machine))
            suites.append(_programs(where, options, folder, out, cpus, pattern))
        where = f"guest/{variant}/cpus{STRESS_CPUS}/{STRESS_WORD}"
        if options.cpus == list(GUEST_CPUS):
            suites.append(_programs(where, options, folder, out, STRESS_CPUS, STRESS_WORD))
            suites += [_exact(variant, options, folder, out, cpus) for cpus in EXACT_CPUS]
            if variant == STALL_VARIANT:
                suites += [_stalling(variant, options, folder, out, cpus) for cpus in STALL_CPUS]
            suites += _many_cpus(variant, options, folder, out)
    return suites


def _exact(variant, options, folder, out, cpus):
    """In count mode, where ktap_shows() of the tests' library decides."""
    where = f"guest/{variant}/exact{cpus}"
    return _programs(where, options, folder, out, cpus, EXACT_WORDS, mode="count")


def _stalling(variant, options, folder, out, cpus):
    """All programs, on CPUs that stall at the wrong moment: libkern/os/stall.h."""
    where = f"guest/{variant}/stall{cpus}"
    return _programs(where, options, folder, out, cpus, _guest_words(options.filter, where),
                     append=(f"stall={STALL_ONE_IN}",))


def _many_cpus(variant, options, folder, out):
    where = f"guest/{variant}/cpus{MANY_CPUS}"
    asked = _guest_words(options.filter, where)
    kernel = asked or ("" if options.long else MANY_KERNEL_WORDS)
    programs = asked or ("" if options.long else MANY_PROGRAM_WORDS)
    machine = qemu.Machine(out=out, cpus=MANY_CPUS, append=(f"ktest={kernel}" if kernel else "ktest", _slide()))
    return [_boot(f"{where}/kernel", options, folder, machine),
            _programs(where, options, folder, out, MANY_CPUS, programs)]


def _slide():
    """A boot argument that puts the kernel somewhere else each time; a panic tells where it was."""
    return f"kaslr={secrets.randbits(28):#x}"


def _programs(where, options, folder, out, cpus, words, mode="time", append=()):
    """A boot that runs the programs in /tests: those of which a name contains one of the words, or all."""
    argv = ["/bin/ktap_run"] + ([words] if words else [])
    disk = os.path.join(folder, f"{where.replace('/', '-')}.cpio")
    environment = LONG_ENVIRONMENT if options.long else ()
    overlay.ramdisk(out, overlay.run_files(argv, out, environment), disk)
    # With counters: theirs are among the tests.
    machine = qemu.Machine(out=out, cpus=cpus, mode=mode, ramdisk=disk, pmu=True, append=(_slide(), *append))
    return _boot(f"{where}/programs", options, folder, machine)


def _guest_words(pattern, where):
    """A filter as the guest takes it: words of which a name contains one, "" for all.

    A filter that names the suite, or that is more than alternatives, runs everything; _judge sorts out the cases.
    """
    if re.search(pattern, where) or not re.fullmatch(r"[\w|/]+", pattern):
        return ""
    return pattern.replace("|", ",")


def _boot(name, options, folder, machine):
    short = name.replace("/", "-")
    machine.monitor = os.path.join(folder, f"{short}.mon")
    logs = os.path.join(ROOT, "out", "test")
    machine.log = os.path.join(logs, f"{short}.log")
    limit = GUEST_LIMIT_S * _slowness(machine) * (LONG_FACTOR if options.long else 1)
    return Suite(name, qemu.command(machine), limit, machine=machine, filter=options.filter, log=machine.log)


def _slowness(machine):
    """A machine of more CPUs than the host is slow, not stuck; so is one that counts."""
    return COUNT_FACTOR if machine.mode == "count" else max(1, machine.cpus // STRESS_CPUS)


# ---- running one ----


def run(suite):
    """Runs a suite and fills in its cases."""
    start = time.monotonic()
    process = subprocess.Popen(suite.command, cwd=ROOT, env=dict(os.environ, **suite.env), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    note = ""
    try:
        said, _ = process.communicate(timeout=suite.limit_s)
    except subprocess.TimeoutExpired:
        note = f"no end after {suite.limit_s:g} s"
        backtraces = _stuck(suite)
        process.kill()
        said, _ = process.communicate()
        said += ("\n" + "\n".join(backtraces)).encode()
    finally:
        if process.poll() is None:
            process.kill()
    suite.seconds = time.monotonic() - start
    _judge(suite, said.decode("utf-8", "replace").replace("\r", ""), process.returncode, note)
    return suite


def _stuck(suite):
    if not suite.machine:
        return []
    kernel = symbols.Kernel(os.path.join(suite.machine.out, "pluot.elf"), qemu.kernel_slide(suite.machine.append))
    return hang.backtraces(suite.machine.monitor, kernel)


def _judge(suite, said, status, note):
    reader = ktap.Reader()
    lines = said.splitlines()
    for line in lines:
        reader.line(line)
    suite.cases = [case for case in reader.finish() if re.search(suite.filter, f"{suite.name}/{case.name}")]
    if suite.machine:
        status = qemu.status_of_console(said, status)
        panic = symbols.panic_lines(lines)
        if panic:
            kernel = symbols.Kernel(os.path.join(suite.machine.out, "pluot.elf"), qemu.kernel_slide(suite.machine.append))
            lines = lines[:-len(panic)] + kernel.annotate(lines)[-len(panic):]
            note = note or "the kernel panicked"
    if status and not note and not suite.failed:
        note = f"ended with status {status}"
    if not suite.cases and not note and suite.machine and not suite.filter:
        note = "gave no result"
    detail = "\n".join(lines[-TAIL_LINES:])
    if note:
        suite.cases.append(ktap.Case("whole", ktap.FAILED, f"{detail}\n{note}"))
    elif not suite.cases and not suite.machine:
        suite.cases.append(ktap.Case("whole", ktap.PASSED))


# ---- all of them ----


def _options(argv):
    options = usage.parser("test", "Run the tests: everything by default. The last line is `N passed, N failed`.")
    options.add_argument("--filter", default="", metavar="RE", help="suites and cases whose name matches")
    options.add_argument("--host", action="store_true", help="only what runs on this machine")
    options.add_argument("--guest", action="store_true", help="only what runs on Pluot")
    options.add_argument("--cpus", type=usage.cpus, default=list(GUEST_CPUS), metavar="LIST",
                         help="machine sizes of the guest (default: 1,2,4)")
    usage.variant_option(options, default=None)
    options.add_argument("--long", action="store_true", help="stress tests for as long as they like")
    args = options.parse_args(argv)
    try:
        re.compile(args.filter)
    except re.error as error:
        usage.fail(f"--filter '{args.filter}' is not a regular expression: {error}")
    args.variants = [args.variant] if args.variant else list(usage.VARIANTS)
    args.both = args.host == args.guest
    return args


def _counts(suite):
    """A test that was skipped has not passed."""
    of = collections.Counter(case.outcome for case in suite.cases)
    counts = f"{of[ktap.PASSED]} passed"
    if of[ktap.SKIPPED]:
        counts += f", {of[ktap.SKIPPED]} skipped"
    if of[ktap.FAILED]:
        counts += f", {of[ktap.FAILED]} FAILED"
    return counts


def _show(suite):
    counts = _counts(suite)
    print(f"{suite.name}: {counts} ({suite.seconds:.1f} s)", flush=True)
    for case in suite.failed:
        print(f"  FAILED {case.name}")
        for line in case.detail.splitlines()[-TAIL_LINES:]:
            print(f"    {line}")
    if suite.failed and suite.log:
        print(f"  console: {os.path.relpath(suite.log)}", flush=True)


def _reason(case):
    lines = case.detail.splitlines()
    return symbols.panic_lines([line.strip() for line in lines])[:PANIC_LINES] or lines[-REASON_LINES:]


def _show_failures(suites):
    """Again, and short: of a long run often only the end is kept."""
    for suite in suites:
        for case in suite.failed:
            print(f"failed: {suite.name}/{case.name}")
            for line in _reason(case):
                print(f"    {line}")


def _collect(args, folder):
    suites = []
    if args.host or args.both:
        suites += [suite for suite in host_suites(args) if re.search(args.filter, suite.name)]
    if args.guest or args.both:
        suites += guest_suites(args, folder)
    return suites


def main(argv):
    args = _options(argv)
    setup.need("build", "run", "bench", "compare", "test")
    where = os.path.join(ROOT, "out", "test")
    os.makedirs(where, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pluot-") as folder:
        suites = _collect(args, folder)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for suite in pool.map(run, suites):
                _show(suite)
    junit.write(os.path.join(where, "junit.xml"), suites)
    failed = sum(len(suite.failed) for suite in suites)
    passed = sum(case.outcome == ktap.PASSED for suite in suites for case in suite.cases)
    if not passed + failed:
        print("no test ran")
    _show_failures(suites)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
