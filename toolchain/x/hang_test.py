"""Tests of reading QEMU's monitor, with a listing as QEMU 7.2 prints it."""
import unittest

from x import hang

LISTING = """info registers -a

CPU#0
 PC=fffffe0007008000 X00=0000000000000000 X01=0000000000000000
X02=0000000000000000 X29=ffff80004000bf00 X30=fffffe0007008100  SP=ffff80004000bf00
PSTATE=600003c5 -ZC- EL1h
CPU#1
 PC=0000000100003f50 X00=0000000000000000
X29=000000016fdff000 X30=0000000100003f00
PSTATE=60000000 -ZC- EL0t
(qemu) """


class FakeMonitor:
    """Memory of two frame records, user space mapped or not."""

    MEMORY = {0xffff80004000bf00: (0xffff80004000bf40, 0xfffffe0007009000), 0xffff80004000bf40: (0, 0xfffffe000700a000)}

    def __init__(self, mapped=True):
        self._mapped = mapped

    def ask(self, request):
        if request.startswith("gva2gpa"):
            return "gpa: 0x41230f50\n(qemu) " if self._mapped else "Unmapped\n(qemu) "
        words = self.MEMORY.get(int(request.split()[-1], 16)) if request.startswith("x/") else None
        return "%x: 0x%016x 0x%016x\n(qemu) " % (0, *words) if words else "Cannot access memory\n(qemu) "


class FakeKernel:
    def names(self, addresses):
        return [f"f{address & 0xffff:x}" for address in addresses]


class Registers(unittest.TestCase):
    def test_each_cpu(self):
        cpus = hang._registers(LISTING)
        self.assertEqual(sorted(cpus), [0, 1])
        self.assertEqual(cpus[0]["PC"], 0xfffffe0007008000)
        self.assertEqual(cpus[1]["X29"], 0x16fdff000)

    def test_frames_end_at_the_last_record(self):
        cpus = hang._registers(LISTING)
        self.assertEqual(hang._frames(FakeMonitor(), cpus[0]),
                         [0xfffffe0007008000, 0xfffffe0007009000, 0xfffffe000700a000])

    def test_user_space_is_not_walked(self):
        cpus = hang._registers(LISTING)
        self.assertEqual(hang._one_cpu(FakeMonitor(), FakeKernel(), 1, cpus[1]), ["CPU 1: in user space at 0x100003f50"])

    def test_a_place_that_faults_for_ever(self):
        cpus = hang._registers(LISTING)
        self.assertEqual(hang._one_cpu(FakeMonitor(mapped=False), FakeKernel(), 1, cpus[1]),
                         ["CPU 1: in user space at 0x100003f50, which has no translation"])


class Samples(unittest.TestCase):
    def test_each_place_once_the_most_frequent_first(self):
        one, other = ["CPU 0: EL1", "  0x10  a"], ["CPU 0: in user space at 0x4"]
        self.assertEqual(hang._told([{0: other}, {0: one}, {0: one}]),
                         ["CPU 0: EL1  (2 of 3 samples)", "  0x10  a", "CPU 0: in user space at 0x4  (1 of 3 samples)"])

    def test_threads_of_the_host(self):
        self.assertEqual(hang._threads("* CPU #0: thread_id=812\n  CPU #1: (halted) thread_id=813\n(qemu) "), {0: 812, 1: 813})

    def test_a_thread_that_is_gone(self):
        self.assertIsNone(hang._cpu_seconds(0x7fffffff))
        self.assertEqual(hang._busy(1, None, 2.0, 1.0), "")
        self.assertEqual(hang._busy(1, 3.5, 3.0, 1.0), "CPU 1: 50 % of a host CPU meanwhile")


if __name__ == "__main__":
    unittest.main()
