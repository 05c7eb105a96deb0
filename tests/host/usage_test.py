"""Wrong usage of ./x: one line that names the choices, and status 64."""
import os
import subprocess
import unittest

from x.usage import ROOT


def x(*words):
    """(status, standard output, standard error) of ./x."""
    done = subprocess.run([os.path.join(ROOT, "x"), *words], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Wrong(unittest.TestCase):
    def wrong(self, *words, names):
        status, _, said = x(*words)
        self.assertEqual(status, 64, said)
        self.assertEqual(said.count("\n"), 1, said)
        for name in names:
            self.assertIn(name, said)

    def test_verb(self):
        self.wrong("frobnicate", names=["frobnicate", "build", "run", "test", "bench"])

    def test_variant(self):
        for verb in ("build", "run", "test"):
            self.wrong(verb, "--variant", "fast", names=["fast", "release", "debug"])

    def test_option(self):
        self.wrong("run", "--frob", names=["--frob", "--cpus"])

    def test_cpus(self):
        for size in ("0", "65", "two", "1,x", ""):
            self.wrong("run", "--cpus", size, names=["1", "64"])

    def test_filter(self):
        self.wrong("test", "--filter", "(", names=["regular expression"])

    def test_program(self):
        self.wrong("run", "/no/such/program", names=["/no/such/program", "/bin/"])
        self.wrong("run", os.path.join(ROOT, "README.md"), names=["Mach-O"])


class Right(unittest.TestCase):
    def test_help(self):
        status, said, _ = x("help")
        self.assertEqual(status, 0)
        for verb in ("build", "run", "test", "bench", "cc"):
            self.assertIn(verb, said)

    def test_no_verb_is_wrong_and_helps(self):
        status, said, _ = x()
        self.assertEqual(status, 64)
        self.assertIn("build", said)

    def test_dry_run_prints_one_command(self):
        status, said, errors = x("run", "--dry-run", "--cpus", "4")
        self.assertEqual((status, errors), (0, ""))
        self.assertTrue(said.startswith("qemu-system-aarch64 "))
        self.assertIn("-smp 4 ", said)


if __name__ == "__main__":
    unittest.main()
