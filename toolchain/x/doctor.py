"""x doctor: what this machine has and lacks for Pluot, without changing it unless --install is given.

Exit status 1 when something is lacking. What is lacking is not broken: the verb that needs it installs it.
"""
import os
import platform
import shutil
import subprocess

from . import qemu, setup, usage
from .usage import ROOT

# Bytes: out/release, out/debug, unit tests with sanitizers, some revisions to compare, and results.
DISK_NEEDED = 2 * 2**30
MEMORY_NEEDED = 3 * 2**30  # bytes: a guest of 1 GiB beside a compiler or two
QEMU_TESTED = "7.2"

# Who asks for the packages of a purpose (toolchain/setup/packages.txt).
ASKS = {"build": "every verb", "run": "x run and all that boots", "bench": "the report of x bench", "test": "x test",
        "compare": "x compare of times", "linux": "x bench --guest linux", "tidy": "x test --long"}


def _said(*command):
    """The first line a program prints, or an empty string."""
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    except OSError:
        return ""
    return said.splitlines()[0] if said else ""


# ---- the machine ----


def _memory():
    """Bytes, or 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def acceleration(host=None, system=None):
    """Whether time mode has hardware virtualisation, and if not, why."""
    host, system = host or platform.machine(), system or platform.system()
    if host not in ("aarch64", "arm64"):
        return f"none: an arm64 guest needs an arm64 host for KVM or HVF, this is {host}"
    if system == "Darwin":
        return "HVF" if _said("sysctl", "-n", "kern.hv_support") == "1" else "none: this macOS offers no HVF"
    if not os.path.exists("/dev/kvm"):
        return "none: the host has no /dev/kvm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "none: /dev/kvm may not be opened; join the group that owns it (usually kvm)"
    return "KVM"


def _machine():
    """Lines about the machine, and about what of it is too small."""
    disk, memory = shutil.disk_usage(ROOT).free, _memory()
    yield f"host         {platform.machine()}, {os.cpu_count()} CPUs, {memory / 2**30:.1f} GiB, {platform.platform()}"
    yield "count mode   QEMU's emulator with an instruction clock: exact on any host"
    yield f"time mode    {qemu.accelerator('time')}; hardware virtualisation: {acceleration()}"
    yield f"disk         {disk / 2**30:.1f} GiB free"
    yield f"installs by  {installer() or 'nobody: no apt-get, or neither root nor sudo'}"
    if disk < DISK_NEEDED:
        yield f"lacking disk space: builds and results take {DISK_NEEDED / 2**30:.0f} GiB"
    if 0 < memory < MEMORY_NEEDED:
        yield f"lacking memory: a guest beside compilers takes {MEMORY_NEEDED / 2**30:.0f} GiB"


def installer():
    """What x installs packages with, or an empty string where it cannot."""
    if not shutil.which("apt-get"):
        return ""
    if os.geteuid() == 0:
        return "apt-get"
    return "sudo apt-get" if shutil.which("sudo") else ""


# ---- the tools ----


def versions(packages):
    """{package: version}: what Debian says, or the programs themselves elsewhere."""
    found = {}
    if shutil.which("dpkg-query"):
        listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *{p.name for p in packages}],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        found = dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)
    for package in packages:
        if package.present and not found.get(package.name):
            program = shutil.which(os.path.basename(package.proof))
            found[package.name] = (_said(program, "--version") if program else "") or "there"
    return found


def main(argv):
    options = usage.parser("doctor", "Say what this machine has and lacks.")
    options.add_argument("--install", action="store_true", help="install all that is lacking, not only what a verb needs")
    if options.parse_args(argv).install:
        setup.need(*ASKS)
    print("\n".join(_machine()) + "\n")
    packages = setup.packages()
    known = versions(packages)
    width = max(len(package.name) for package in packages)
    for package in packages:
        state = known.get(package.name, "there") if package.present else "LACKING"
        print(f"{package.purpose:8} {package.name:{width}}  {state:28}  {package.reason}")
    print()
    emulator = _said(qemu.QEMU, "--version")
    if emulator and f"version {QEMU_TESTED}" not in emulator:
        print(f"note: checked with QEMU {QEMU_TESTED}, this is another one: x gate then judges by the commit before, and the "
              "QEMU plugin (x profile, x sharing, counts on several CPUs) refuses what it does not know")
    lacks = [package for package in packages if not package.present]
    for purpose in dict.fromkeys(package.purpose for package in lacks):
        names = " ".join(package.name for package in lacks if package.purpose == purpose)
        way = f"x gets them when it needs them, by {installer()} install" if installer() else "install them by hand"
        print(f"lacking for {ASKS.get(purpose, 'x ' + purpose)}: {names}; {way}")
    if not lacks:
        print("nothing is lacking")
    return 1 if lacks else 0
