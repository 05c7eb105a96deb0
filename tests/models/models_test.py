"""The models of the lock-free algorithms, checked exhaustively with Spin.

Each .pml must hold, and each twin that its head names in a line ` * broken: MACRO  what` must be rejected:
a model that cannot fail says nothing. A line ` * also: MACRO=n ...` gives other sizes, at which it must hold too; a twin
must be rejected at one of all of them.
"""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

# Spin would ask for gcc.
PREPROCESSOR = "-Pclang-19 -E -x c"
HERE = os.path.dirname(os.path.abspath(__file__))


def check(path, *defines, optimise="-O1"):
    """True if no error is found; the verifier's last words."""
    with tempfile.TemporaryDirectory() as work:
        flags = ["-D" + d for d in defines]
        subprocess.run(["spin", PREPROCESSOR, *flags, "-a", path], cwd=work, check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
        subprocess.run(["clang-19", optimise, "-w", "-DSAFETY", "-DNOFAIR", "-o", "pan", "pan.c"], cwd=work,
                       check=True)
        done = subprocess.run(["./pan", "-m1000000"], cwd=work, stdout=subprocess.PIPE, text=True, check=False)
    found = re.search(r"errors: (\d+)", done.stdout)
    complete = "max search depth too small" not in done.stdout
    return done.returncode == 0 and complete and found and found.group(1) == "0", done.stdout


def sizes(text):
    """The macros of each size that a model is checked at."""
    return [[]] + [line.split() for line in re.findall(r"^ \* also: (.+)$", text, re.MULTILINE)]


def models():
    return sorted(name for name in os.listdir(HERE) if name.endswith(".pml"))


@unittest.skipUnless(shutil.which("spin"), "spin is not installed")
class Models(unittest.TestCase):
    def test_models_hold_and_twins_fail(self):
        self.assertTrue(models())
        for name in models():
            path = os.path.join(HERE, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for size in sizes(text):
                with self.subTest(model=name, size=size):
                    holds, said = check(path, *size)
                    self.assertTrue(holds, said)
            twins = re.findall(r"^ \* broken: (\w+)", text, re.MULTILINE)
            self.assertTrue(twins, f"{name} names no broken twin")
            for twin in twins:
                with self.subTest(model=name, twin=twin):
                    # What is wrong shows soon: to compile well would take longer.
                    self.assertFalse(all(check(path, twin, *size, optimise="-O0")[0] for size in sizes(text)),
                                     f"the twin {twin} is not rejected")


if __name__ == "__main__":
    unittest.main()
