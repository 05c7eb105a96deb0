"""The ratio table: what stands for what, by how much, and what is missing."""

import os
import tempfile
import unittest

from perf import beside, beside_table, made_up, results


def _document(guest, figures, cpus=1):
    lines = [f"{made_up.wire(name)} 10 {value} instructions/op" for name, value in figures.items()]
    variant = {"pluot": "release", "linux": "lean", "linuxdefault": "default"}[guest]
    return made_up.document("count", cpus, lines, guest=guest, variant=variant)


class Compare(unittest.TestCase):
    OWN = {"syscall/null_unix": 100, "ipc/rpc_inline/64": 1000, "vm/fault_cow": 2000, "kernel/zone": 50, "proc/spawn_wait": 300}
    LEAN = {"syscall/null_unix": 300, "ipc/linux_pipe/64": 9000, "ipc/linux_futex/64": 8000, "ipc/linux_pipe/1024": 9500,
            "ipc/linux_bulk_pipe/64": 1, "vm/fault_cow": 1000, "proc/spawn_wait": 900, "proc/linux_vfork_exec_wait": 600}

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def compared(self, *documents):
        for doc in documents:
            context = doc["context"]
            name = results.file_name(context["guest"], context["mode"], int(context["cpus"]))
            results.write(os.path.join(self.folder.name, name), doc)
        return beside.compare(results.load_folder(self.folder.name))

    def pairs(self, *documents):
        return {pair.name: pair for pair in self.compared(*documents).pairs}

    def both(self):
        return _document("pluot", self.OWN), _document("linux", self.LEAN)

    def test_namesakes_and_the_cheapest_way(self):
        pairs = self.pairs(*self.both())
        self.assertEqual((pairs["syscall/null_unix"].ratio, pairs["syscall/null_unix"].words), (3.0, "Pluot takes less"))
        self.assertEqual([way.name for way in pairs["ipc/rpc_inline/64"].ways], ["ipc/linux_futex/64", "ipc/linux_pipe/64"])
        self.assertEqual(pairs["ipc/rpc_inline/64"].ratio, 8.0)
        self.assertEqual((pairs["vm/fault_cow"].ratio, pairs["vm/fault_cow"].words), (0.5, "Linux takes less"))

    def test_a_namesake_goes_before_a_cheaper_way(self):
        ways = self.pairs(*self.both())["proc/spawn_wait"].ways
        self.assertEqual([way.name for way in ways], ["proc/spawn_wait", "proc/linux_vfork_exec_wait"])

    def test_the_default_command_line_stands_beside(self):
        default = _document("linuxdefault", {"syscall/null_unix": 450, "ipc/linux_futex/64": 9999})
        pairs = self.pairs(*self.both(), default)
        self.assertEqual(pairs["syscall/null_unix"].ratio_default, 4.5)
        self.assertEqual(pairs["ipc/rpc_inline/64"].way.default, 9999)
        self.assertIsNone(pairs["vm/fault_cow"].ratio_default)

    def test_what_one_side_lacks_is_listed(self):
        found = self.compared(*self.both())
        self.assertEqual([pair.name for pair in found.only_own], ["kernel/zone"])
        self.assertEqual([way.name for way, _cpus in found.only_linux], ["ipc/linux_pipe/1024", "ipc/linux_bulk_pipe/64"])
        text = "\n".join(beside_table.render(found))
        self.assertIn("not on Linux: kernel/zone", text)
        self.assertIn("ipc/linux_pipe/1024 9,500 / -", text)

    def test_machines_of_another_size_do_not_compare(self):
        found = self.compared(_document("pluot", {"ipc/rpc_cross_cpu/0": 10}, cpus=2),
                              _document("linux", {"ipc/linux_cross_cpu_mq/0": 90}, cpus=4))
        self.assertFalse(found.compared)
        self.assertEqual(len(found.only_linux), 1)

    def test_alike(self):
        pair = self.pairs(_document("pluot", {"a/b": 100}), _document("linux", {"a/b": 102}))["a/b"]
        self.assertEqual(pair.words, "alike")

    def test_mean_and_summary(self):
        found = self.compared(_document("pluot", {"a/b": 10, "a/c": 10}), _document("linux", {"a/b": 20, "a/c": 80}))
        self.assertAlmostEqual(found.mean_ratio, 4)
        self.assertIn("2 of 2 rows take less on Pluot; geometric mean: Linux lean takes 4.0 times as much",
                      "\n".join(beside_table.render(found)))

    def test_markdown_has_every_row_once(self):
        text = beside_table.markdown([self.compared(*self.both())])
        self.assertEqual(text.count("| syscall/null_unix |"), 1)
        self.assertIn("| ipc/linux_pipe/64 | 9,000 | - | 9.00x |", text)
        self.assertIn("qemu-system-aarch64", text)


if __name__ == "__main__":
    unittest.main()
