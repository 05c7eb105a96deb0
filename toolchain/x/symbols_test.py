"""Tests of naming addresses on a console, with made-up symbols."""
import unittest

from x import symbols

BASE = 0xfffffe0007004000


class Fake(symbols.Kernel):
    """A kernel whose code is named by its offset."""

    def __init__(self):
        self.elf = ""
        self.slide = 0
        self._text = range(BASE, BASE + 0x1000)

    def names(self, addresses):
        return [f"+{address - self.slide - BASE:#x}" for address in addresses]


class Annotate(unittest.TestCase):
    def test_code_is_named_and_data_is_not(self):
        lines = [f"pc {BASE + 0x10:#x} sp 0xffff800040001000 x0 {BASE + 0x2000:#x}"]
        self.assertEqual(Fake().annotate(lines), [lines[0] + "  +0x10"])

    def test_a_return_address_is_the_call_before_it(self):
        self.assertTrue(Fake().annotate([f"  frame 1: {BASE + 0x10:#x}"])[0].endswith("  +0xc"))

    def test_the_slide_is_taken_from_the_console(self):
        slide = 0x200000
        lines = [f"kernel slide {slide:#x}", f"pc {BASE + slide + 0x20:#x}"]
        self.assertTrue(Fake().annotate(lines)[1].endswith("  +0x20"))


class Panic(unittest.TestCase):
    def test_from_the_panic_on(self):
        lines = ["boot", "panic(cpu 0): no init", "frame 0: 0x1"]
        self.assertEqual(symbols.panic_lines(lines), lines[1:])

    def test_no_panic(self):
        self.assertEqual(symbols.panic_lines(["ok 1 panic_is_fine", "done"]), [])


if __name__ == "__main__":
    unittest.main()
