"""Tests of the archive writer, against the cpio format as documented."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cpio  # noqa: E402


def entries(data):
    """[(name, mode, content)] of a newc archive, read by the format's description alone."""
    found, at = [], 0
    while True:
        assert data[at:at + 6] == b"070701", at
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110:at + 110 + name_size].rstrip(b"\0").decode()
        start = (at + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return found
        found.append((name, mode, data[start:start + size]))
        at = (start + size + 3) & ~3


class Archive(unittest.TestCase):
    FILES = {"/bin/sh": (b"12345", cpio.PROGRAM), "/etc/motd": (b"", cpio.FILE)}

    def test_content_and_parents(self):
        self.assertEqual(entries(cpio.archive(self.FILES)), [
            ("bin", cpio.DIRECTORY, b""), ("bin/sh", cpio.PROGRAM, b"12345"),
            ("etc", cpio.DIRECTORY, b""), ("etc/motd", cpio.FILE, b"")])

    def test_order_of_files_does_not_matter(self):
        turned = dict(reversed(list(self.FILES.items())))
        self.assertEqual(cpio.archive(self.FILES), cpio.archive(turned))

    def test_large_files_lie_on_pages(self):
        content = os.urandom(cpio.PAGE)
        files = {"/bin/a": (content, cpio.PROGRAM), "/bin/b": (content, cpio.PROGRAM), "/c": (b"x", cpio.FILE)}
        first = cpio.archive(files)
        second = cpio.archive(files, len(first))
        self.assertEqual([data for _, _, data in entries(second)], [b"", content, content, b"x"])
        ramdisk, found = first + second, -1
        for _ in range(4):
            found = ramdisk.index(content, found + 1)
            self.assertEqual(found % cpio.PAGE, 0)

    def test_without_alignment_names_are_short(self):
        content = bytes(cpio.PAGE)
        self.assertLess(len(cpio.archive({"/a": (content, cpio.FILE)}, page=cpio.BLOCK)), cpio.PAGE + 1000)

    def test_archives_can_follow_each_other(self):
        self.assertEqual(len(cpio.archive(self.FILES)) % cpio.BLOCK, 0)


if __name__ == "__main__":
    unittest.main()
