"""Machines that lack something: installed, or named plainly with what to do. apt-get is a script of the test's own."""
import contextlib
import io
import os
import tempfile
import unittest
from unittest import mock

from x import setup

LIST = "verb  some-package  {folder}/proof  makes the test work\n"


class Need(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.list = os.path.join(self.folder, "packages.txt")
        with open(self.list, "w", encoding="utf-8") as out:
            out.write("# a comment\n" + LIST.format(folder=self.folder))

    def apt(self, script):
        path = os.path.join(self.folder, "apt-get")
        with open(path, "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)

    def need(self, purpose="verb"):
        """(status or None, standard error)"""
        errors = io.StringIO()
        status = None
        with mock.patch.object(setup, "LIST", self.list), mock.patch.dict(os.environ, PATH=self.folder), \
                mock.patch.object(os, "geteuid", lambda: 0), \
                contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            try:
                setup.need(purpose)
            except SystemExit as end:
                status = end.code
        return status, errors.getvalue()

    def test_other_purposes_need_nothing(self):
        self.assertEqual(self.need("other"), (None, ""))

    def test_installs(self):
        self.apt(f'case "$*" in *some-package*) : >{self.folder}/proof ;; esac\n')
        self.assertEqual(self.need(), (None, ""))
        self.assertEqual(self.need(), (None, ""))

    def test_stale_lists_are_updated(self):
        self.apt(f'case "$*" in *update*) : >{self.folder}/updated ;; *) [ -e {self.folder}/updated ] || exit 100\n'
                 f': >{self.folder}/proof ;; esac\n')
        self.assertEqual(self.need(), (None, ""))

    def test_no_apt(self):
        status, said = self.need()
        self.assertEqual(status, 1)
        self.assertIn("no apt-get", said)
        self.assertRegex(said, r"some-package +makes the test work")

    def test_no_network(self):
        self.apt('echo "E: Failed to fetch x  Could not resolve \'mirror.example\'"; exit 100\n')
        status, said = self.need()
        self.assertEqual((status, "reaches no server" in said, "some-package" in said), (1, True, True), said)

    def test_apt_that_lies(self):
        self.apt("exit 0\n")
        status, said = self.need()
        self.assertEqual((status, "yet files are missing" in said), (1, True), said)

    def test_neither_root_nor_sudo(self):
        self.apt("exit 0\n")
        errors = io.StringIO()
        with mock.patch.object(setup, "LIST", self.list), mock.patch.dict(os.environ, PATH=self.folder), \
                mock.patch.object(os, "geteuid", lambda: 1000), contextlib.redirect_stderr(errors):
            self.assertRaises(SystemExit, setup.need, "verb")
        self.assertIn("not root, and no sudo here", errors.getvalue())


if __name__ == "__main__":
    unittest.main()
