"""Samples of a console: read strictly, and made into the stacks that they mean."""

import unittest

from perf import choose, sampling, stacks

K = 0xffff000000000000
HEAD = "bench-profile: a/b period 100 clock 62500000\n"
USER = "bench-sample: 0 10 2 b 1 3a 1010 2024 - 3030,4040\n"
KERNEL = f"bench-sample: 1 20 2 b 0 42 {K + 0x1010:x} {K + 0x1020:x} {K + 0x2020:x} 5004,6008,8000\n"
NOISE = "[    0.1] hello\r\n"


def end(samples, lost=0):
    return f"bench-profile-end: a/b samples {samples} lost {lost}\n"


class Where:
    """Functions are 4 KiB long and have the address as their name."""

    @staticmethod
    def function(pc):
        return f"f{(pc % K) >> 12}"

    def learn(self, addresses):
        pass

    def frames(self, addresses):
        return tuple(stacks.Frame(self.function(pc), pc >= K, pc) for pc in addresses)


def stacked(text, exact=True):
    taken = sampling.parse(text.splitlines(True))
    return [([f.name for f in s.frames], s.weight) for s in sampling.stacked(taken, Where(), exact)]


class Parse(unittest.TestCase):
    def test_reads(self):
        taken = sampling.parse((NOISE + HEAD + USER + NOISE + KERNEL + end(2, 3)).splitlines(True))
        self.assertEqual((taken.name, taken.period, taken.lost, len(taken.samples)), ("a/b", 100, 3, 2))
        self.assertEqual(taken.samples[0].user, (0x3030, 0x4040))

    def test_refused(self):
        for text in ("", HEAD + USER, HEAD + USER + end(2), HEAD + USER[:-3] + "x\n" + end(1), USER + end(1), end(0)):
            with self.assertRaises(sampling.SamplingError, msg=text):
                sampling.parse(text.splitlines(True))


class Stacked(unittest.TestCase):
    def test_a_leaf_without_frame_takes_its_caller_from_the_link_register(self):
        self.assertEqual(stacked(HEAD + USER + end(1)), [(["f4", "f3", "f2", "f1"], 100)])

    def test_kernel_on_program(self):
        # the kernel's lr points into the function itself; the program's is the stub's caller
        self.assertEqual(stacked(HEAD + KERNEL + end(1)), [(["f7", "f6", "f5", "f2", "f1"], 100)])

    def test_late_is_masked_and_stands_for_the_periods_it_missed(self):
        late = USER.replace(" 3a ", " 12c ")
        self.assertEqual(stacked(HEAD + USER + late + end(2))[1],
                         (["f4", "f3", "f2", "f1", sampling.MASKED], 400))
        self.assertEqual(stacked(HEAD + USER + late + end(2), exact=False)[1], (["f4", "f3", "f2", "f1"], 400))

    def test_idle(self):
        self.assertEqual(stacked(HEAD + USER.replace(" b 1 ", " b 2 ") + end(1)), [(["[idle]"], 100)])


class Choice(unittest.TestCase):
    names = ["ipc/rpc_inline/0", "ipc/rpc_inline/64", "syscall/null_unix", "vm/fault_cow"]

    def test_near(self):
        self.assertEqual(choose.near("ipc/rpc_inlin/64", self.names)[0], "ipc/rpc_inline/64")
        self.assertIn("syscall/null_unix", choose.near("null_unix", self.names))
        self.assertEqual(choose.near("zzz", self.names), [])


if __name__ == "__main__":
    unittest.main()
