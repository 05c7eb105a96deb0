"""x doctor: every package with its version, and what is lacking with the way to get it."""
import contextlib
import io
import os
import tempfile
import unittest
from unittest import mock

from x import doctor, setup


class Doctor(unittest.TestCase):
    def said(self, text=None):
        """(status, output), with a package list of the test's own."""
        out = io.StringIO()
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed, contextlib.redirect_stdout(out):
            listed.write(text or "")
            listed.flush()
            with mock.patch.object(setup, "LIST", listed.name if text else setup.LIST):
                status = doctor.main([])
        return status, out.getvalue()

    def test_all_packages_are_told(self):
        _, said = self.said()
        for package in setup.packages():
            self.assertIn(f"{package.purpose:8} {package.name} ", said)
            self.assertIn(package.purpose, doctor.ASKS)

    def test_a_version(self):
        status, said = self.said("build  python3-minimal  /usr/bin/python3  runs x\n")
        self.assertEqual(status, 0)
        self.assertRegex(said, r"build +python3-minimal +\d\S* +runs x")
        self.assertIn("nothing is lacking", said)

    def test_something_lacks(self):
        status, said = self.said("linux  no-such-package  /no/such-file-there  tests this\n")
        self.assertEqual(status, 1)
        self.assertRegex(said, r"no-such-package +LACKING +tests this")
        self.assertRegex(said, r"lacking for x bench --guest linux: no-such-package; x gets them")

    def test_acceleration(self):
        self.assertIn("needs an arm64 host", doctor.acceleration("x86_64", "Linux"))
        with mock.patch.object(os.path, "exists", lambda path: False):
            self.assertIn("no /dev/kvm", doctor.acceleration("aarch64", "Linux"))
        with mock.patch.object(os.path, "exists", lambda path: True):
            with mock.patch.object(os, "access", lambda *_: False):
                self.assertIn("group", doctor.acceleration("aarch64", "Linux"))
            with mock.patch.object(os, "access", lambda *_: True):
                self.assertEqual(doctor.acceleration("aarch64", "Linux"), "KVM")


if __name__ == "__main__":
    unittest.main()
