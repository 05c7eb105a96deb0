"""What is written is read back, and what is cut or bent is refused."""

import collections
import unittest

from perf import flame, stacks
from perf.stacks import Frame, Sample

STACK = (Frame("main", False, 0x1000, 4, "/bin/bench"), Frame("trap", True, 0xfffffe0007004010, 16))


class Folded(unittest.TestCase):
    def test_back_again(self):
        folded = stacks.fold([(STACK, 5), (STACK, 2), (STACK[:1], 1)])
        self.assertEqual(folded, {("main", "trap_[k]"): 7, ("main",): 1})
        self.assertEqual(stacks.read_folded(stacks.folded_text(folded)), folded)

    def test_refused(self):
        for text in ("main;trap\n", "main;;trap 3\n", " 3\n", "main x\n"):
            with self.assertRaises(stacks.StackError):
                stacks.read_folded(text)


class Script(unittest.TestCase):
    samples = [Sample("bench", 2, 11, 0, 1234567000, 10007, STACK), Sample("kernel", 0, 3, 63, 2000, 1, STACK[1:])]

    def test_back_again(self):
        text = stacks.script_text(self.samples, "instructions")
        self.assertEqual(stacks.read_script(text), (self.samples, "instructions"))
        self.assertEqual(stacks.read_script(""), ([], ""))

    def test_as_perf_prints_it(self):
        text = stacks.script_text(self.samples[:1], "instructions")
        self.assertEqual(text, "bench     2/11    [000] 1.234567:      10007 instructions: \n"
                               "\tfffffe0007004010 trap+0x10 ([kernel.kallsyms])\n"
                               "\t            1000 main+0x4 (/bin/bench)\n\n")

    def test_refused(self):
        good = stacks.script_text(self.samples, "instructions")
        for bad in (good[:-1], good.replace("+0x10", ""), good.replace("[000]", "[0]"), "# header\n\n" + good,
                    good.replace("1 instructions", "1 cycles"), good.replace(".234567", ".23456"), "\n" + good):
            with self.assertRaises(stacks.StackError, msg=bad):
                stacks.read_script(bad)


class Flame(unittest.TestCase):
    def test_boxes(self):
        folded = collections.Counter({("a", "b"): 3, ("a", "c"): 1, ("d",): 4})
        found = {(b.name, b.depth): (b.left, b.right) for b in flame.boxes(flame.tree(folded))}
        self.assertEqual(found, {("all", 0): (0, 1), ("a", 1): (0, 0.5), ("d", 1): (0.5, 1), ("b", 2): (0, 0.375),
                                 ("c", 2): (0.375, 0.5)})

    def test_nothing_to_draw(self):
        with self.assertRaises(stacks.StackError):
            flame.svg(collections.Counter(), "t", "a", "u")

    def test_picture_is_xml_and_names_are_escaped(self):
        import xml.etree.ElementTree as tree
        text = flame.svg(collections.Counter({("<main>", 'a"&b_[k]'): 10}), "t <1>", "about & more", "instructions", 4)
        picture = tree.fromstring(text)
        titles = [title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")]
        self.assertIn('a"&b (kernel)\n2.50 instructions, 100.00 %', titles)
        self.assertNotIn("http://", text.replace("http://www.w3.org/", ""))


if __name__ == "__main__":
    unittest.main()
