"""What a build makes is the same wherever the tree stands: exact counts are compared between machines.

A path in a program changes its size, and with it what the kernel does to load it.
"""
import os
import unittest

import tests.host.tree as tree
from x.usage import ROOT

PRODUCTS = ("Image", "pluot.elf", "ramdisk.cpio")


class Reproducible(unittest.TestCase):
    def test_no_product_names_the_folder_it_was_built_in(self):
        out, found = tree.release(), []
        for name in PRODUCTS:
            with open(os.path.join(out, name), "rb") as file:
                data = file.read()
            at = data.find(os.fsencode(ROOT))
            if at >= 0:
                found.append(f"{name}: {data[at:at + 160].split(bytes(1))[0].decode(errors='replace')}")
        tree.none(self, found, "the path of this tree is in what it builds:")


if __name__ == "__main__":
    unittest.main()
