#!/usr/bin/python3
"""Unpacks the needed part of newlib's source.

usage: unpack.py TARBALL OUT_DIR FILE...

FILEs are paths below the release's newlib/ folder; the headers of libc/include and those beside a FILE come with them.
"""

import os
import sys
import tarfile


def wanted(path, files, folders):
    if path in files:
        return True
    if not path.endswith(".h"):
        return False
    return path.startswith("libc/include/") or os.path.dirname(path) in folders


def main(argv):
    tarball, out_dir, files = argv[1], argv[2], set(argv[3:])
    folders = {os.path.dirname(f) for f in files}
    missing = set(files)
    with tarfile.open(tarball) as archive:
        for member in archive:
            path = member.name.split("/newlib/", 1)[-1]
            if not member.isfile() or not wanted(path, files, folders):
                continue
            target = os.path.join(out_dir, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(archive.extractfile(member).read())
            missing.discard(path)
    if missing:
        sys.stderr.write(f"{tarball} lacks {', '.join(sorted(missing))}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
