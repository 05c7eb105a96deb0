"""Installs what a verb lacks: Debian packages by apt, named plainly where there is no apt.

Presence is judged by one file a package, so that nothing is asked of the package system when all is there.
The list is toolchain/setup/packages.txt.
"""
import dataclasses
import os
import shutil
import subprocess
import sys

from .usage import ROOT

LIST = os.path.join(ROOT, "toolchain/setup/packages.txt")


@dataclasses.dataclass(frozen=True)
class Package:
    purpose: str
    name: str
    proof: str
    reason: str

    @property
    def present(self):
        return os.path.exists(self.proof) or bool(shutil.which(os.path.basename(self.proof)))


def packages():
    """Every package of the list."""
    with open(LIST, encoding="utf-8") as listed:
        lines = [line for line in listed.read().splitlines() if line and not line.startswith("#")]
    return [Package(*line.split(None, 3)) for line in lines]


def lacking(*purposes):
    return [package for package in packages() if package.purpose in purposes and not package.present]


def _apt(words):
    command = ["apt-get", "-q", "-y", *words]
    if os.geteuid() != 0:
        command = ["sudo", "DEBIAN_FRONTEND=noninteractive", *command]
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def _give_up(lacks, why):
    sys.stderr.write(f"x: {why}. What is lacking, by Debian's package names:\n")
    for package in lacks:
        sys.stderr.write(f"  {package.name:20} {package.reason} ({package.proof})\n")
    sys.exit(1)


# What apt says when it reaches no server.
_NO_NETWORK = ("Could not resolve", "Temporary failure", "Could not connect", "Connection failed", "Network is unreachable")


def _why(said):
    """A failed apt-get in a line of our own, behind the end of its own words."""
    errors = [line for line in said.splitlines() if line.startswith(("E:", "Err:", "W:"))]
    sys.stderr.write("\n".join((errors or said.splitlines())[-8:]) + "\n")
    if any(words in said for words in _NO_NETWORK):
        return "apt-get reaches no server (no network?); x goes on where it was once that works"
    return "apt-get install failed"


def _install(lacks):
    names = [package.name for package in lacks]
    print(f"x: installing {' '.join(names)}", flush=True)
    install = ["install", "--no-install-recommends", *names]
    done = _apt(install)
    if done.returncode:
        # The package lists are missing or old.
        updated = _apt(["update"])
        done = _apt(install)
    if done.returncode:
        _give_up(lacks, _why(updated.stdout + done.stdout))


def need(*purposes):
    """Returns when everything for `purposes` is there; otherwise says what is not and ends."""
    lacks = lacking(*purposes)
    if not lacks:
        return
    if not shutil.which("apt-get"):
        _give_up(lacks, "this machine has no apt-get")
    if os.geteuid() != 0 and not shutil.which("sudo"):
        _give_up(lacks, "not root, and no sudo here")
    _install(lacks)
    still = lacking(*purposes)
    if still:
        _give_up(still, "apt-get installed everything, yet files are missing")
