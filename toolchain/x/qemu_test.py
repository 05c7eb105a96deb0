"""Tests of the QEMU command line and of how a guest's status is read."""
import unittest
from unittest import mock

from x import qemu


class Command(unittest.TestCase):
    def words(self, **options):
        with mock.patch("platform.machine", return_value="x86_64"):
            return qemu.command(qemu.Machine(out="out/release", **options))

    def test_count_mode_is_deterministic(self):
        words = self.words(mode="count")
        self.assertIn("shift=0,sleep=off,align=off", words)
        self.assertIn("base=2000-01-01,clock=vm", words)
        self.assertIn("max,pauth-impdef=on,pmu=on", words)

    def test_turns_are_one_thread(self):
        words = self.words(mode="turns")
        self.assertIn("tcg,thread=single", words)
        self.assertNotIn("-icount", words)

    def test_time_mode_has_no_counters_unless_asked(self):
        self.assertIn("max,pauth-impdef=on,pmu=off", self.words(mode="time"))
        self.assertIn("max,pauth-impdef=on,pmu=on", self.words(mode="time", pmu=True))

    def test_semihosting_is_told_to_the_kernel(self):
        words = self.words(append=("ktest",))
        self.assertEqual(words[words.index("-append") + 1], "ktest semihosting")

    def test_virtualisation_has_no_semihosting(self):
        with mock.patch("platform.machine", return_value="aarch64"), mock.patch("os.access", return_value=True), \
                mock.patch("platform.system", return_value="Linux"):
            words = qemu.command(qemu.Machine(out="out/release"))
        self.assertIn("kvm", words)
        self.assertNotIn("-semihosting-config", words)
        self.assertNotIn("-append", words)


class Slide(unittest.TestCase):
    def test_none_unless_asked_for(self):
        self.assertEqual(qemu.kernel_slide(()), 0)
        self.assertEqual(qemu.kernel_slide(("ktest", "kaslr=0")), 0)
        self.assertEqual(qemu.kernel_slide(("kaslr=what",)), 0)

    def test_blocks_and_steps_of_the_seed(self):
        self.assertEqual(qemu.kernel_slide(("kaslr=0x1",)), 32 << 20)
        self.assertEqual(qemu.kernel_slide(("-v", "kaslr=400")), 64 << 10)
        self.assertEqual(qemu.kernel_slide(("kaslr=0xffe0001",)), 32 << 20)


class Status(unittest.TestCase):
    def test_closing_line(self):
        self.assertEqual(qemu.status_of_console("x\npluot: halted, status 7\n", 0), 7)

    def test_power_off_without_a_word_is_a_crash(self):
        self.assertEqual(qemu.status_of_console("x\n", 0), qemu.PANIC_STATUS)

    def test_qemu_failure(self):
        self.assertEqual(qemu.status_of_console("", 1), 1)


if __name__ == "__main__":
    unittest.main()
