"""The layers hold: by GN's header check, by the symbols of the objects, and no header escapes GN."""
import json
import os
import re
import unittest

import tests.host.tree as tree
from perf import linux
from tests.host import layers
from x.usage import ROOT

KERNEL_FOLDERS = ("libkern", "osfmk", "bsd", "iokit", "bench/kernel")


def _kernel_objects(out):
    """{path under obj/: (defined, undefined)} of every object of the kernel's link."""
    inputs, _ = tree.said(["ninja", "-C", out, "-t", "inputs", "pluot.elf"])
    paths = [line for line in inputs.splitlines() if line.endswith(".o")]
    listings = tree.each(lambda path: tree.said(["llvm-nm-19", os.path.join(out, path)])[0], paths)
    return {_layered(path): layers.symbols(listing) for path, listing in zip(paths, listings)}


def _layered(path):
    """obj/osfmk/ipc/port.o and the generated obj/BUILD_DIR/gen/osfmk/x.o both belong to osfmk."""
    return re.sub(r"^obj/(BUILD_DIR/gen/)?", "", path)


def _upcalls():
    with open(os.path.join(ROOT, "osfmk/kern/upcalls.h"), encoding="utf-8") as header:
        return set(re.findall(r"\w+", header.read()))


class Tree(unittest.TestCase):
    def test_gn_check(self):
        text, status = tree.said(["gn", "check", tree.release()])
        self.assertEqual(status, 0, text)

    def test_symbols(self):
        objects = _kernel_objects(tree.release())
        self.assertGreater(len(objects), 20)
        tree.none(self, layers.violations(objects, _upcalls()), "against the layers:")

    def test_every_header_is_in_a_target(self):
        text, status = tree.said(["gn", "desc", tree.release(), "//*", "--format=json"])
        self.assertEqual(status, 0, text)
        listed = set()
        for target in json.loads(text).values():
            for kind in ("sources", "public", "inputs"):
                names = target.get(kind, [])
                listed.update(names if isinstance(names, list) else [])
        folders = [f"{folder}/*.h" for folder in KERNEL_FOLDERS]
        lost = [name for name in tree.files(*folders) if f"//{name}" not in listed]
        tree.none(self, lost, "headers that no target lists (the folder's sources.gni is the place):")

    def test_every_source_is_in_a_target(self):
        text, _ = tree.said(["gn", "desc", tree.release(), "//*", "sources", "--format=json"])
        listed = {name for target in json.loads(text).values() for name in target.get("sources", [])}
        # the programs for Linux are built by perf, with Debian's cross compiler
        listed.update(f"//bench/{name}" for sources in linux.sources().values() for name in sources)
        lost = [name for name in tree.files("*.c", "*.S") if f"//{name}" not in listed]
        tree.none(self, lost, "sources that no target lists:")


class Rules(unittest.TestCase):
    """The judgement itself, on made-up objects."""

    OBJECTS = {
        "libkern/c/string.o": ({"memcpy"}, set()),
        "osfmk/kern/thread.o": ({"thread_start"}, {"memcpy", "bsd_ast"}),
        "bsd/kern/proc.o": ({"bsd_ast", "proc_find"}, {"thread_start"}),
        "iokit/Kernel/registry.o": ({"io_find"}, {"memcpy", "_end"}),
    }

    def judge(self, **more):
        extra = {path.replace("__", "/") + ".o": (set(), {name}) for path, name in more.items()}
        return layers.violations({**self.OBJECTS, **extra}, {"bsd_ast"})

    def test_clean(self):
        self.assertEqual(self.judge(), [])

    def test_down_is_fine_up_is_not(self):
        self.assertEqual(self.judge(bsd__vfs__x="memcpy"), [])
        self.assertEqual(self.judge(osfmk__vm__x="proc_find"), ["osfmk/vm/x.o uses proc_find of bsd"])
        self.assertEqual(self.judge(libkern__os__x="thread_start"), ["libkern/os/x.o uses thread_start of osfmk"])

    def test_an_upcall_is_for_osfmk_alone(self):
        self.assertEqual(self.judge(libkern__os__x="bsd_ast"), ["libkern/os/x.o uses bsd_ast of bsd"])

    def test_bsd_and_iokit_meet_in_the_glue_only(self):
        self.assertEqual(self.judge(bsd__iokit_glue__x="io_find"), [])
        self.assertEqual(self.judge(bsd__kern__x="io_find"), ["bsd/kern/x.o uses io_find of iokit"])
        self.assertEqual(self.judge(iokit__Kernel__x="proc_find"), ["iokit/Kernel/x.o uses proc_find of bsd"])

    def test_listing(self):
        self.assertEqual(layers.symbols("0000000000000010 T f\n                 U g\n0000000000000000 t l\n"),
                         ({"f", "l"}, {"g"}))


if __name__ == "__main__":
    unittest.main()
