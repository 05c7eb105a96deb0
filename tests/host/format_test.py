"""Every source file looks as the formatters would write it, and every Python file parses."""
import os
import re
import unittest

import tests.host.tree as tree
from x.usage import ROOT

BATCHES = 8
_COMPLAINT = re.compile(r"^(\S+?):\d+:\d+: ", re.MULTILINE)


class Format(unittest.TestCase):
    def test_c(self):
        sources = tree.files("*.c", "*.h")
        self.assertTrue(sources)
        # One process for many files: most of its time is its start.
        batches = [sources[i::BATCHES] for i in range(BATCHES)]
        told = "".join(tree.each(lambda batch: tree.said(["clang-format-19", "--dry-run", *batch])[0], batches))
        tree.none(self, sorted(set(_COMPLAINT.findall(told))), "clang-format-19 -i would change:")

    def test_gn(self):
        def wrong(name):
            return tree.said(["gn", "format", "--dry-run", name])[1] != 0

        sources = tree.files("*.gn", "*.gni")
        self.assertTrue(sources)
        bad = [name for name, is_wrong in zip(sources, tree.each(wrong, sources)) if is_wrong]
        tree.none(self, bad, "gn format would change:")

    def test_python(self):
        bad = []
        for name in tree.files("*.py", "x"):
            with open(os.path.join(ROOT, name), encoding="utf-8") as source:
                try:
                    compile(source.read(), name, "exec")
                except SyntaxError as error:
                    bad.append(f"{name}:{error.lineno}: {error.msg}")
        tree.none(self, bad, "no Python:")

    def test_text(self):
        bad = []
        for name in tree.files("*.md", "*.py", "*.abi", "*.txt", "*.S", "*.lds", "x"):
            with open(os.path.join(ROOT, name), encoding="utf-8") as source:
                lines = source.read().split("\n")
            bad += [f"{name}:{i}: blank at the end" for i, line in enumerate(lines, 1) if line != line.rstrip()]
            bad += [f"{name}: no newline at the end"] if lines[-1] else []
        tree.none(self, bad, "untidy text:")


if __name__ == "__main__":
    unittest.main()
