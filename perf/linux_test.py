"""Fetching Linux when it works and when it does not: apt and dpkg are played by scripts."""

import os
import tempfile
import unittest
from unittest import mock

from perf import linux

_CACHE = "echo linux-image-cloud-arm64; echo '  Depends: linux-image-6.1.0-56-cloud-arm64'"
_GET = 'case "$*" in *download*) echo deb > linux-image.deb;; esac'
_DPKG = 'case "$1" in -x) mkdir -p "$3/boot"; echo kernel > "$3/boot/vmlinuz-6.1.0-56";; -f) echo 6.1.192-2;; esac'


class Fetch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tools, self.out = os.path.join(folder.name, "bin"), os.path.join(folder.name, "out")
        os.makedirs(self.tools)
        os.makedirs(self.out)
        for patch in (mock.patch.object(linux, "FOLDER", self.out), mock.patch("sys.stderr"),
                      mock.patch.dict(os.environ, {"PATH": self.tools})):
            patch.start()
            self.addCleanup(patch.stop)
        self.tool("apt-get", _GET)
        self.tool("apt-cache", _CACHE)
        self.tool("dpkg-deb", _DPKG)

    def tool(self, name, script):
        path = os.path.join(self.tools, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"#!/bin/sh\nPATH=/bin:/usr/bin\n{script}\n")
        os.chmod(path, 0o755)

    def fails(self):
        """What the user is told; nothing half-done is left that a later run would take for a kernel."""
        with self.assertRaises(linux.LinuxError) as raised:
            linux._fetch_kernel()
        self.assertFalse(os.path.exists(os.path.join(self.out, "kernel")))
        self.assertFalse(os.path.exists(os.path.join(self.out, "package")))
        told = str(raised.exception)
        self.assertNotIn("\n", told)
        return told

    def test_it_works(self):
        linux._fetch_kernel()
        self.assertEqual(linux.kernel_version(), "Linux 6.1.192-2 (linux-image-6.1.0-56-cloud-arm64)")
        self.assertTrue(os.path.exists(os.path.join(self.out, "Image")))

    def test_what_is_there_is_not_fetched(self):
        linux._fetch_kernel()
        self.tool("apt-get", "exit 1")
        linux._fetch_kernel()

    def test_no_apt(self):
        os.unlink(os.path.join(self.tools, "apt-get"))
        self.assertRegex(self.fails(), r"No such file.*Debian's apt and dpkg.*put a kernel there by hand")

    def test_no_network(self):
        self.tool("apt-get", "echo \"E: Failed to fetch http://mirror.example Temporary failure resolving\" >&2; exit 100")
        self.assertRegex(self.fails(), r"^apt-get update: E: Failed.*is there a network.*Run again.*untouched")

    def test_disk_full(self):
        self.tool("apt-get", "echo \"E: You don't have enough free space in /x\" >&2; exit 100")
        self.assertIn("the disk is full: make room for 100 MB", self.fails())

    def test_disk_full_while_unpacking(self):
        self.tool("dpkg-deb", "echo 'dpkg-deb: error: failed to write: No space left on device' >&2; exit 2")
        self.assertIn("the disk is full", self.fails())

    def test_cut_package(self):
        self.tool("dpkg-deb", "echo 'dpkg-deb: error: unexpected end of file in archive' >&2; exit 2")
        self.assertRegex(self.fails(), r"^unpacking linux-image.deb: .*unexpected end of file.*run again")

    def test_a_package_without_a_kernel(self):
        self.tool("dpkg-deb", "exit 0")
        self.assertRegex(self.fails(), r"the kernel is not there .*run again")

    def test_a_mirror_that_is_not_debians(self):
        self.tool("apt-cache", "echo linux-image-cloud-arm64")
        self.assertIn("is it Debian's?", self.fails())

    def test_a_folder_that_cannot_be_written(self):
        with mock.patch("os.makedirs", side_effect=OSError(28, "No space left on device", self.out)):
            self.assertIn("the disk is full", self.fails())


if __name__ == "__main__":
    unittest.main()
