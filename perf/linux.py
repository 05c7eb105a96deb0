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


def _apt(*words, cwd=None):
    """apt with lists, cache and architecture of its own."""
    state = os.path.join(FOLDER, "apt")
    for part in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(state, part), exist_ok=True)
    options = {"Dir::State::Lists": os.path.join(state, "lists"), "Dir::Cache": os.path.join(state, "cache"),
               "Dir::State::Status": "/dev/null", "APT::Architecture": "arm64", "APT::Architectures": "arm64",
               "APT::Sandbox::User": "root"}
    command = [words[0]] + [part for key, value in options.items() for part in ("-o", f"{key}={value}")] + list(words[1:])
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    except OSError as error:
        raise LinuxError(f"{words[0]}: {error.strerror}: fetching Linux needs Debian's apt") from None
    if done.returncode:
        raise LinuxError(f"{' '.join(words[:2])} failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return done.stdout


def _kernel_package():
    listed = _apt("apt-cache", "depends", META_PACKAGE)
    found = re.search(r"Depends: (linux-image-[0-9.]+-\d+-cloud-arm64)", listed)
    if not found:
        raise LinuxError(f"Debian's {META_PACKAGE} names no kernel package")
    return found.group(1)


def _fetch_kernel():
    """out/linux/Image and out/linux/kernel (its version), unless they are there."""
    if os.path.exists(os.path.join(FOLDER, "Image")) and os.path.exists(os.path.join(FOLDER, "kernel")):
        return
    sys.stderr.write("x bench: fetching Debian's arm64 kernel\n")
    _apt("apt-get", "update")
    package = _kernel_package()
    tree = os.path.join(FOLDER, "package")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    _apt("apt-get", "download", package, cwd=tree)
    archive = glob.glob(os.path.join(tree, "*.deb"))[0]
    if subprocess.run(["dpkg-deb", "-x", archive, tree], check=False).returncode:
        raise LinuxError(f"{archive} cannot be unpacked")
    shutil.copyfile(glob.glob(os.path.join(tree, "boot", "vmlinuz-*"))[0], os.path.join(FOLDER, "Image"))
    version = subprocess.run(["dpkg-deb", "-f", archive, "Version"], capture_output=True, text=True, check=True).stdout
    with open(os.path.join(FOLDER, "kernel"), "w", encoding="utf-8") as out:
        out.write(f"Linux {version.strip()} ({package})")
    shutil.rmtree(tree)


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
    command += ["-o", os.path.join(FOLDER, name)] + [os.path.join(bench, source) for source in sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LinuxError(f"{name} for Linux does not build:\n{done.stderr}")


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
            archive.write(cpio.archive(files))
        self.command = qemu.command(qemu.Machine(
            out=out, cpus=boot.cpus, mode=boot.mode, append=APPEND[guest], ramdisk=disk))
        self.printable = qemu.printable(self.command)

    @staticmethod
    def backtraces():
        return ["(no backtraces of a Linux guest)"]

    @staticmethod
    def named(console_lines):
        return console_lines
