"""Linux on the same machine: Debian's arm64 cloud kernel, and the benchmarks of bench/ as its only programs.

The kernel comes through apt with package lists of its own (the host's are not touched), the programs are built
statically with Debian's cross C library. Two guests: "linux" has the command line that is fairest to Linux, with the
protections off that Pluot does not have either; "linuxdefault" is what a distribution boots.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from x import overlay, qemu, setup

from perf import machine

FOLDER = os.path.join(machine.ROOT, "out", "linux")
META_PACKAGE = "linux-image-cloud-arm64"
_COMMON = ("console=ttyAMA0", "quiet", "loglevel=1", "panic=-1", "rdinit=/init")
_LEAN = ("mitigations=off", "kpti=off", "nokaslr", "init_on_alloc=0", "randomize_kstack_offset=off", "audit=0", "lsm=",
         "cgroup_disable=memory", "psi=0", "arm64.nosve", "arm64.nopauth", "arm64.nobti", "arm64.nomte")
APPEND = {"linux": _COMMON + _LEAN, "linuxdefault": _COMMON}

_CROSS = "/usr/lib/gcc-cross/aarch64-linux-gnu"
_HARNESS = [f"harness/{name}.c" for name in ("options", "own_process", "platform_linux", "profile", "run", "sample",
                                           "trace_none")]
# programs of their own in bench/guest
_MAINS = {"bench_nothing": "nothing_linux.c", "bench_nothing_libc": "nothing.c", "init": "init_linux.c"}
# and what needs no C library
_BARE = ("bench_nothing",)


class LinuxError(Exception):
    """Linux cannot be fetched or built; one line for the user."""


# ---- the kernel ----

# what a disk without room makes apt, dpkg and the system say
_FULL = re.compile(r"No space left on device|don't have enough free space|not enough free space|write error", re.IGNORECASE)
_BY_HAND = ("or put a kernel there by hand: Image, and a file called kernel with one line that names it")


def _advice(text):
    """What to do about what a tool said."""
    if _FULL.search(text):
        return f"the disk is full: make room for 100 MB in {FOLDER} and run again"
    if re.search(r"Could not resolve|Temporary failure|Could not connect|Unable to connect|Connection|timed out|Failed to fetch|"
                 r"Unable to locate|No packages found|Unable to fetch", text, re.IGNORECASE):
        return (f"is there a network, and a Debian mirror in /etc/apt? Run again when there is, {_BY_HAND} (folder {FOLDER}). "
                "Results measured before are untouched")
    return f"run again, {_BY_HAND} (folder {FOLDER})"


def _last_line(text):
    """The line that says most of a failure: apt's first error, otherwise the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "Err:"))]
    return (errors or lines[-1:] or ["it said nothing"])[0]


def _run(words, what, cwd=None):
    """The output of a tool; LinuxError says in one line what failed and what to do."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, cwd=cwd, check=False, env=dict(os.environ, LC_ALL="C"))
    except OSError as error:
        raise LinuxError(f"{what}: {words[0]}: {error.strerror}: Linux comes through Debian's apt and dpkg; where they are not, "
                         f"{_BY_HAND[3:]} (folder {FOLDER})") from None
    if done.returncode:
        said = done.stderr + done.stdout
        raise LinuxError(f"{what}: {_last_line(said)}: {_advice(said)}")
    return done.stdout


def _apt(*words, cwd=None):
    """apt with lists, cache and architecture of its own: the host's are neither read nor written."""
    state = os.path.join(FOLDER, "apt")
    for part in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(state, part), exist_ok=True)
    options = {"Dir::State::Lists": os.path.join(state, "lists"), "Dir::Cache": os.path.join(state, "cache"),
               "Dir::State::Status": "/dev/null", "APT::Architecture": "arm64", "APT::Architectures": "arm64",
               "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any", "Acquire::Retries": "2"}
    command = [words[0]] + [part for key, value in options.items() for part in ("-o", f"{key}={value}")] + list(words[1:])
    return _run(command, f"{words[0]} {words[1]}", cwd)


def _kernel_package():
    listed = _apt("apt-cache", "depends", META_PACKAGE)
    found = re.search(r"Depends: (linux-image-[0-9.]+-\d+-cloud-arm64)", listed)
    if not found:
        raise LinuxError(f"this mirror's {META_PACKAGE} names no kernel package: is it Debian's?")
    return found.group(1)


def _one(pattern, what):
    found = sorted(glob.glob(pattern))
    if not found:
        raise LinuxError(f"{what} is not there ({pattern}): the download is not what was expected; run again")
    return found[0]


def _unpack(tree, package):
    """The kernel of the package in `tree`, whole or not at all: its name is written last."""
    archive = _one(os.path.join(tree, "*.deb"), package)
    _run(["dpkg-deb", "-x", archive, tree], f"unpacking {os.path.basename(archive)}")
    version = _run(["dpkg-deb", "-f", archive, "Version"], f"reading {os.path.basename(archive)}").strip()
    os.replace(_one(os.path.join(tree, "boot", "vmlinuz-*"), "the kernel"), os.path.join(FOLDER, "Image"))
    told = os.path.join(tree, "kernel")
    with open(told, "w", encoding="utf-8") as out:
        out.write(f"Linux {version} ({package})")
    os.replace(told, os.path.join(FOLDER, "kernel"))


def _fetch_kernel():
    """out/linux/Image and out/linux/kernel (its version), unless they are there."""
    if os.path.exists(os.path.join(FOLDER, "Image")) and os.path.exists(os.path.join(FOLDER, "kernel")):
        return
    sys.stderr.write("x bench: fetching Debian's arm64 kernel\n")
    tree = os.path.join(FOLDER, "package")
    shutil.rmtree(tree, ignore_errors=True)
    try:
        os.makedirs(tree)
        _apt("apt-get", "update")
        package = _kernel_package()
        _apt("apt-get", "download", package, cwd=tree)
        _unpack(tree, package)
    except OSError as error:
        raise LinuxError(f"{error.filename or FOLDER}: {error.strerror}: {_advice(error.strerror)}") from None
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def kernel_version():
    with open(os.path.join(FOLDER, "kernel"), encoding="utf-8") as told:
        return told.read()


# ---- the programs ----


def _compile(name, sources):
    bench = os.path.join(machine.ROOT, "bench")
    libraries = sorted(glob.glob(os.path.join(_CROSS, "*")))
    if not libraries:
        raise LinuxError(f"{_CROSS} is missing: install libgcc-12-dev-arm64-cross")
    command = ["clang-19", "--target=aarch64-linux-gnu", "--sysroot=/usr/aarch64-linux-gnu", "-isystem",
               "/usr/aarch64-linux-gnu/include", f"-B{libraries[-1]}", f"-L{libraries[-1]}", "-fuse-ld=lld", "-static",
               "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-mno-implicit-float", f"-I{bench}"]
    command += ["-nostdlib", "-Wl,--no-rosegment"] if name in _BARE else []
    # in a file of its own until it is whole: another run may be reading the one that is there
    handle, fresh = tempfile.mkstemp(dir=FOLDER, prefix=f".{name}-")
    os.close(handle)
    try:
        command += ["-o", fresh] + [os.path.join(bench, source) for source in sources]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            full = f"\n{_advice(done.stderr)}" if _FULL.search(done.stderr) else ""
            raise LinuxError(f"{name} for Linux does not build:\n{done.stderr.strip()}{full}")
        os.replace(fresh, os.path.join(FOLDER, name))
    finally:
        if os.path.exists(fresh):
            os.unlink(fresh)


def sources():
    """{program: its files under bench/}: what only Mach has stays out."""
    guest = sorted(os.listdir(os.path.join(machine.ROOT, "bench", "guest")))
    rows = [f"guest/{name}" for name in guest
            if name.endswith(".c") and not name.endswith("_mach.c") and name not in _MAINS.values()]
    return {"bench": _HARNESS + rows, **{program: [f"guest/{name}"] for program, name in _MAINS.items()}}


def _program(name):
    with open(os.path.join(FOLDER, name), "rb") as built:
        return built.read()


# ---- what a run needs ----


def prepare():
    """Fetches and builds; returns the folder that boots."""
    setup.need("build", "run", "bench", "linux")
    os.makedirs(FOLDER, exist_ok=True)
    _fetch_kernel()
    for name, files in sources().items():
        _compile(name, files)
    return FOLDER


class Prepared:
    """One boot of Linux, as machine.Prepared is one of Pluot."""

    def __init__(self, out, boot, folder, guest):
        words = machine.program_arguments(boot)
        cpio = overlay.cpio
        files = {"/init": (_program("init"), cpio.PROGRAM), "/bin/bench": (_program("bench"), cpio.PROGRAM),
                 "/bin/bench_nothing": (_program("bench_nothing"), cpio.PROGRAM),
                 "/bin/bench_nothing_libc": (_program("bench_nothing_libc"), cpio.PROGRAM),
                 "/etc/bench.args": (overlay.strings(words), cpio.FILE)}
        disk = os.path.join(folder, "ramdisk.cpio")
        with open(disk, "wb") as archive:
            archive.write(cpio.archive(files, page=cpio.BLOCK))
        self.command = qemu.command(qemu.Machine(
            out=out, cpus=boot.cpus, mode=boot.mode, append=APPEND[guest], ramdisk=disk))
        self.printable = qemu.printable(self.command)

    @staticmethod
    def backtraces():
        return ["(no backtraces of a Linux guest)"]

    @staticmethod
    def named(console_lines):
        return console_lines
