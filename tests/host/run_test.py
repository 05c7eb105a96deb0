"""./x run and ./x cc, end to end: what comes back from the guest, and what a panic and a hang look like."""
import os
import subprocess
import tempfile
import unittest

import tests.host.tree as tree
from x import overlay, qemu
from x.usage import ROOT

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	printf("%d arguments, the last is %s\n", argc - 1, argv[argc - 1]);
	if (argc == 2) {
		__builtin_trap();
	}
	return 40 + argc;
}
"""


def x(*words, stdin=b""):
    """(status, everything that was said) of ./x."""
    done = subprocess.run([os.path.join(ROOT, "x"), *words], cwd=ROOT, input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace").replace("\r", "")


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.program = os.path.join(cls.folder.name, "prog")
        source = cls.program + ".c"
        with open(source, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        status, said = x("cc", source, "-o", cls.program)
        if status:
            raise AssertionError(said)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_status_and_output(self):
        status, said = x("run", "--cpus", "2", self.program, "a b", "--cpus")
        self.assertIn("2 arguments, the last is --cpus\n", said)
        self.assertEqual(status, 43, said)

    def test_a_signal_is_128_and_its_number(self):
        status, said = x("run", self.program, "die")
        self.assertEqual(status, 128 + 5, said)

    def test_a_program_of_the_guest(self):
        self.assertEqual(x("run", "/bin/true")[0], 0)
        self.assertEqual(x("run", "false")[0], 1)

    def test_runs_at_the_same_time_do_not_meet(self):
        words = ["one", "two", "three", "four"]
        answers = tree.each(lambda n: x("run", "/bin/hello", *words[:n]), range(1, 5))
        for n, (status, said) in enumerate(answers, 1):
            self.assertEqual(status, n, said)
            self.assertIn(" ".join(words[:n]), said)

    def test_a_truncated_program_is_an_error_and_no_more(self):
        with open(self.program, "rb") as whole:
            data = whole.read()
        for size in (64, 4096, len(data) // 2):
            cut = f"{self.program}-{size}"
            with open(cut, "wb") as file:
                file.write(data[:size])
            status, said = x("run", cut)
            self.assertIn(status, (127, 126, 128 + 9), said)
            self.assertNotIn("panic", said)

    def test_the_shell_reads_the_console(self):
        status, said = x("run", "--timeout", "60", "/bin/sh", stdin=b"echo from the shell\nexit 7\n")
        self.assertIn("from the shell\n", said)
        self.assertEqual(status, 7, said)


class Failures(unittest.TestCase):
    def test_a_hang_shows_each_cpu(self):
        status, said = x("run", "--cpus", "2", "--timeout", "4", "/bin/cat")
        self.assertEqual(status, qemu.TIMEOUT_STATUS, said)
        self.assertIn("CPU 0:", said)
        self.assertIn("CPU 1:", said)
        self.assertIn("machine_idle", said)

    def test_a_panic_has_names(self):
        """Process 1 that is no program is a reason to panic."""
        out = tree.release()
        with tempfile.TemporaryDirectory() as folder:
            disk = os.path.join(folder, "disk")
            overlay.ramdisk(out, {"/sbin/launchd": (b"nothing", 0o100755)}, disk)
            status, said = x("run", "--ramdisk", disk)
        self.assertEqual(status, qemu.PANIC_STATUS, said)
        named = said.split("with names")[-1]
        self.assertIn("panic(cpu 0): ", named)
        self.assertIn("bsd_init", named)


if __name__ == "__main__":
    unittest.main()
