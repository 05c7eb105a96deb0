"""cpio archives in the "newc" format (cpio(5)), written so that equal input gives equal bytes.

The kernel reads several archives one behind the other, later files replacing earlier ones, so that a
run can lay its own files over the built ramdisk.
"""

DIRECTORY = 0o040755
FILE = 0o100644
PROGRAM = 0o100755

# An archive is padded to this and no further, so that another may follow: the kernel skips the bytes between two
# archives one by one, and a longer tail would make the length of a boot depend on the content of files.
BLOCK = 4


def mode_of(path):
    """The mode of a file of the ramdisk: what lies where programs lie can be run."""
    return PROGRAM if path.split("/")[1] in ("bin", "sbin", "tests") else FILE


def _entry(ino, name, mode, data):
    encoded = name.encode() + b"\0"
    fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _pad(header + encoded, 4) + _pad(data, 4)


def _pad(data, unit):
    return data + bytes(-len(data) % unit)


def archive(files):
    """The archive of `files`: {path in the guest: (bytes, mode)}. Parent directories are added."""
    entries = {}
    for path, (data, mode) in files.items():
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            entries.setdefault("/".join(parts[:depth]), (b"", DIRECTORY))
        entries["/".join(parts)] = (data, mode)
    out = bytearray()
    for ino, name in enumerate(sorted(entries), 1):
        data, mode = entries[name]
        out += _entry(ino, name, mode, data)
    out += _entry(0, "TRAILER!!!", 0, b"")
    return _pad(bytes(out), BLOCK)
