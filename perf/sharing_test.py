"""x sharing: names of types and fields, verdicts; and from end to end: rows of independent work share no line, what is
shared on purpose is found and named, and the matrix is written and drawn."""

import json
import os
import re
import subprocess
import tempfile
import unittest

from perf import dwarf, kernel_memory, plugin_report, sharing

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIMEOUT_S = 400

_SOURCE = """
struct inner { int first; int second[3]; };
struct outer { char tag; union { long word; struct inner in; }; struct inner many[2]; void *next; };
struct outer some_object;
int main(void) { return some_object.tag; }
"""


def x(*words):
    return subprocess.run([os.path.join(ROOT, "x"), *words], capture_output=True, text=True, timeout=TIMEOUT_S)


class Fields(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        elf = os.path.join(self.folder.name, "program")
        subprocess.run(["clang-19", "-g", "-x", "c", "-", "-o", elf], input=_SOURCE, text=True, check=True)
        self.types = dwarf.Types(elf)

    def test_paths(self):
        outer = self.types.struct("outer")
        for offset, path in ((0, ".tag"), (1, ".(tag and padding)"), (8, ".word"), (24, ".many[0].first"),
                             (44, ".many[1].second[0]"), (52, ".many[1].second[2]"), (56, ".next"), (60, ".next")):
            self.assertEqual(self.types.path(outer, offset), path)
        self.assertEqual(self.types.path(self.types.variable("some_object"), 24), ".many[0].first")

    def test_offsets(self):
        self.assertEqual(self.types.offset_of("outer", "next"), 56)
        self.assertIsNone(self.types.offset_of("outer", "nothing"))
        self.assertIsNone(self.types.struct("nobody"))
        self.assertIsNone(self.types.variable("nobody"))


def line(batches, true_sharing=True):
    return plugin_report.Line(0x40, true_sharing, batches, [plugin_report.Use(0, 0, 0, 0x0f, 1),
                                                            plugin_report.Use(1, 0xf0 if not true_sharing else 0x03, 2, 0, 0)])


class Verdicts(unittest.TestCase):
    def test_background_work_is_told_apart(self):
        row = plugin_report.Row(2, 10, batches=4, lines=[line(2), line(1)])
        self.assertEqual(len(sharing.steady(row)), 1)

    def test_contested_bytes(self):
        self.assertEqual(sharing._contested(line(1)), 0x03)
        self.assertEqual(sharing._contested(line(1, False)), 0xff)
        self.assertEqual(sharing.bytes_of(0b1110001), "0,4-6")

    def test_findings(self):
        new, old = sharing.Shared(0, True, 1, ["lock_a"]), sharing.Shared(64, True, 1, ["struct b.c"])
        findings = {"a/row": [(r"struct b\.", "b is common")]}
        self.assertEqual(sharing.judge("a/row", [new, old], findings), ([new], {"b is common": [old]}))
        self.assertEqual(sharing.judge("other/row", [old], findings), ([old], {}))

    def test_pairs(self):
        self.assertEqual(sharing.pair_of("pair/ipc.rpc_inline.64+file.stat", ["file/stat", "ipc/rpc_inline/64"]),
                         ("ipc/rpc_inline/64", "file/stat"))

    def test_findings_are_of_rows_that_are_looked_at(self):
        for row, items in sharing.known().items():
            self.assertIn(row, sharing.ZERO + (sharing.ONE_PORT,))
            for what, why in items:
                re.compile(what)
                self.assertTrue(why)

    def test_zones_name_their_structs(self):
        structs = kernel_memory.zone_structs(ROOT)
        self.assertEqual((structs["ipc ports"], structs["threads"], structs["vm maps"]), ("ipc_port", "thread", "vm_map"))


class EndToEnd(unittest.TestCase):
    def test_independent_work_shares_no_line(self):
        run = x("sharing", "--zero")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        for row in sharing.ZERO:
            verdict = "known" if row in sharing.known() else "zero"
            self.assertRegex(run.stdout, rf"(?m)^{row} +0 +\d+ +{verdict}$")
        self.assertRegex(run.stdout, rf"(?m)^{sharing.ONE_PORT} +0 +[12] +known$")

    def test_a_shared_line_fails_and_has_a_name(self):
        run = x("sharing", "scale/one_port")
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("struct ipc_port.ip_mqueue", run.stdout)

    def test_matrix(self):
        with tempfile.TemporaryDirectory() as folder:
            run = x("sharing", "--matrix", "syscall/null_mach", "ipc/port_lifecycle", "--out", folder)
            self.assertEqual(run.returncode, 0, run.stderr)
            with open(os.path.join(folder, "sharing.json"), encoding="utf-8") as source:
                doc = json.load(source)
            self.assertEqual(doc["rows"], ["syscall/null_mach", "ipc/port_lifecycle"])
            self.assertEqual((doc["matrix"][0], doc["matrix"][1][0]), ([0, 0], 0))
            # two threads of one task allocate names in one space
            self.assertGreater(doc["matrix"][1][1], 0)
            self.assertIn("struct ipc_space", json.dumps(doc["lines"]))
            self.assertTrue(os.path.exists(os.path.join(folder, "report", "sharing.svg")))

    def test_wrong_use(self):
        for words in ((), ("no/such",), ("--zero", "--matrix"), ("scale/null_unix", "--workers", "4"),
                      ("scale/null_unix", "--workers", "0")):
            run = x("sharing", *words)
            self.assertEqual((run.returncode, run.stderr.count("\n")), (64, 1), run.stderr)


if __name__ == "__main__":
    unittest.main()
