"""cpio archives in the "newc" format (cpio(5)), written so that equal input gives equal bytes.

The kernel reads several archives one behind the other, later files replacing earlier ones, so that a
run can lay its own files over the built ramdisk.

The data of files of a page or more begins at a multiple of the page size from the start of the ramdisk, which
boot loaders put on a page: the kernel then maps the pages where they lie. The room is made by NUL bytes behind
the name, which belong to it by its length and to nothing by its content.
"""

DIRECTORY = 0o040755
FILE = 0o100644
PROGRAM = 0o100755

# An archive is padded to this and no further, so that another may follow: the kernel skips the bytes between two
# archives one by one, and a longer tail would make the length of a boot depend on the content of files.
BLOCK = 4

# The kernel's pages; Linux refuses names of more than 4096 bytes, so an archive for it is written with page=4.
PAGE = 16384


def mode_of(path):
    """The mode of a file of the ramdisk: what lies where programs lie can be run."""
    return PROGRAM if path.split("/")[1] in ("bin", "sbin", "tests") else FILE


def _entry(ino, name, mode, data, at, page):
    """A member whose header is at offset `at`."""
    encoded = name.encode() + b"\0"
    if len(data) >= page:
        encoded += bytes(-(at + 110 + len(encoded)) % page)
    fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _pad(header + encoded, 4) + _pad(data, 4)


def _pad(data, unit):
    return data + bytes(-len(data) % unit)


def archive(files, at=0, page=PAGE):
    """The archive of `files`: {path in the guest: (bytes, mode)}, to lie `at` bytes behind the ramdisk's start.

    Parent directories are added. Data of files of a `page` or more is aligned to that.
    """
    entries = {}
    for path, (data, mode) in files.items():
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            entries.setdefault("/".join(parts[:depth]), (b"", DIRECTORY))
        entries["/".join(parts)] = (data, mode)
    out = bytearray()
    for ino, name in enumerate(sorted(entries), 1):
        data, mode = entries[name]
        out += _entry(ino, name, mode, data, at + len(out), page)
    out += _entry(0, "TRAILER!!!", 0, b"", at + len(out), page)
    return _pad(bytes(out), BLOCK)
