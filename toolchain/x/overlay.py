"""A run's own files, laid over the built ramdisk: which program launchd starts, and what the host adds."""
import os
import sys

from . import usage
from .usage import ROOT

sys.path.insert(0, os.path.join(ROOT, "toolchain", "image"))
import cpio  # noqa: E402 (beside the ramdisk builder, which runs it as a script)

# launchd reads these: see its source. Strings end with NUL.
RUN = "/etc/launchd.run"
ENVIRONMENT = "/etc/launchd.env"

_MACHO_ARM64 = bytes.fromhex("cffaedfe0c000001")


def _manifest(out):
    """(path in the guest, file below out/VARIANT) of all that is on the built ramdisk."""
    with open(os.path.join(out, "gen/toolchain/image/ramdisk.manifest"), encoding="utf-8") as manifest:
        return [line.split("=", 1) for line in manifest.read().split()]


def guest_files(out):
    """The paths on the ramdisk in out/VARIANT."""
    return {guest for guest, _ in _manifest(out)}


def _host_program(path):
    with open(path, "rb") as program:
        data = program.read()
    if not data.startswith(_MACHO_ARM64):
        usage.fail(f"'{path}' is not an arm64 Mach-O program; ./x cc makes one")
    return data


def locate(program, out):
    """(path in the guest, bytes to add or None) of what the user named: a path in the guest, or a file here."""
    in_guest = guest_files(out)
    if program in in_guest:
        return program, None
    if os.path.isfile(program):
        return f"/run/{os.path.basename(program)}", _host_program(program)
    if f"/bin/{program}" in in_guest:
        return f"/bin/{program}", None
    choices = " ".join(sorted(path for path in in_guest if path.startswith("/bin/")))
    usage.fail(f"no program '{program}' here or in the guest; choose a host file or from: {choices}")
    return None


def strings(values):
    return b"".join(value.encode() + b"\0" for value in values)


def run_files(argv, out, environment=()):
    """The files that make launchd run `argv` (the first word as locate() takes it)."""
    path, data = locate(argv[0], out)
    files = {RUN: (strings([path, *argv[1:]]), cpio.FILE)}
    if data is not None:
        files[path] = (data, cpio.PROGRAM)
    if environment:
        files[ENVIRONMENT] = (strings(environment), cpio.FILE)
    return files


def ramdisk(out, files, where):
    """Writes the built ramdisk with `files` laid over it to `where`, and returns that path."""
    with open(os.path.join(out, "ramdisk.cpio"), "rb") as built:
        base = built.read()
    return _write(where, base + cpio.archive(files, len(base)))


def ramdisk_of(prefixes, out, files, where):
    """The same with only those files of the built ramdisk whose path begins with one of `prefixes`."""
    chosen = {}
    for guest, host in _manifest(out):
        if guest.startswith(prefixes):
            with open(os.path.join(out, host), "rb") as data:
                chosen[guest] = (data.read(), cpio.mode_of(guest))
    return _write(where, cpio.archive({**chosen, **files}))


def _write(where, archive):
    with open(where, "wb") as laid:
        laid.write(archive)
    return where
