"""Every C file of the tree through clang-tidy, with the checks of /.clang-tidy; x test --long."""
import concurrent.futures
import json
import os
import re
import subprocess
import unittest

from x import build, setup
from x.usage import ROOT

_FOUND = re.compile(r"^(?P<file>[^\s:]+):(?P<place>\d+:\d+): (?:warning|error): (?P<what>.*)$", re.MULTILINE)


def own_files(out):
    """C files of the tree that the build compiles, generated ones aside, each once."""
    with open(os.path.join(out, "compile_commands.json"), encoding="utf-8") as listed:
        paths = {os.path.normpath(os.path.join(entry["directory"], entry["file"])) for entry in json.load(listed)}
    return sorted(path for path in paths if path.endswith(".c") and not path.startswith(out + os.sep))


def found_in(out, path):
    """What clang-tidy says of a file, a line each."""
    done = subprocess.run(["clang-tidy-19", "--quiet", "-p", out, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False)
    return {f"{os.path.relpath(os.path.join(out, m['file']), ROOT)}:{m['place']}: {m['what']}"
            for m in _FOUND.finditer(done.stdout)}


class Tidy(unittest.TestCase):
    def test_nothing_is_found(self):
        if not os.environ.get("TEST_LONG"):
            self.skipTest("minutes of analysis: x test --long")
        setup.need("tidy")
        out = build.build("release", quiet=True)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = set().union(*pool.map(lambda path: found_in(out, path), own_files(out)))
        self.assertEqual(sorted(found), [])


if __name__ == "__main__":
    unittest.main()
