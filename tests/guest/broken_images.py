#!/usr/bin/python3
"""broken_images.py PROGRAM OUTDIR: files that exec must refuse, made from a good program by one change each.

What each is refused with is in exec_test.c.
"""
import os
import struct
import sys

SEGMENT, MAIN = 0x19, 0x80000028
HEADER = 32


def commands(image):
    """(offset, command, size) of each load command."""
    count, at = struct.unpack_from("<I", image, 16)[0], HEADER
    for _ in range(count):
        command, size = struct.unpack_from("<II", image, at)
        yield at, command, size
        at += size


def segment(image, name):
    for at, command, _ in commands(image):
        if command == SEGMENT and image[at + 8:at + 24].rstrip(b"\0") == name:
            return at
    raise SystemExit(f"broken_images: no segment {name}")


def main_command(image):
    return next(at for at, command, _ in commands(image) if command == MAIN)


def changed(image, layout, offset, *values):
    out = bytearray(image)
    struct.pack_into(layout, out, offset, *values)
    return bytes(out)


def images(good):
    text, data = segment(good, b"__TEXT"), segment(good, b"__DATA")
    commands_end = HEADER + struct.unpack_from("<I", good, 20)[0]
    data_offset = struct.unpack_from("<Q", good, data + 40)[0]
    return {
        "text": b"hello, I am text\n",
        "empty": b"",
        "elf": b"\x7fELF" + good[4:],
        "x86": changed(good, "<I", 4, 0x01000007),
        "dylib": changed(good, "<I", 12, 6),
        "cut-header": good[:20],
        "cut-commands": good[:commands_end - 8],
        "cut-text": good[:data_offset - 0x2000],
        "cut-linkedit": good[:-1],
        "command-size": changed(good, "<I", text + 4, 4),
        "segment-wraps": changed(good, "<Q", data + 24, 2**64 - 0x4000),
        "writable-text": changed(good, "<II", text + 56, 7, 7),
        "entry-outside": changed(good, "<Q", main_command(good) + 8, 2**40),
    }


def main(program, directory):
    with open(program, "rb") as file:
        good = file.read()
    os.makedirs(directory, exist_ok=True)
    for name, content in images(good).items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(content)


main(*sys.argv[1:])
