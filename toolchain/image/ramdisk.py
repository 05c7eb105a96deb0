#!/usr/bin/python3
"""ramdisk.py MANIFEST ARCHIVE DEPFILE: the ramdisk of the files that the manifest lists.

A line of the manifest is GUEST_PATH=HOST_PATH. Programs under /bin, /sbin and /tests are executable.
"""
import os
import sys

import cpio


def main(manifest, output, depfile):
    files = {}
    sources = []
    with open(manifest) as lines:
        for line in lines.read().split():
            guest, _, host = line.partition("=")
            if guest in files:
                sys.exit(f"ramdisk: two files for {guest}")
            with open(host, "rb") as data:
                files[guest] = (data.read(), cpio.mode_of(guest))
            sources.append(host)
    with open(output, "wb") as out:
        out.write(cpio.archive(files))
    with open(depfile, "w") as out:
        out.write(f"{output}: {' '.join(sources)}\n")


main(*sys.argv[1:])
