"""x stat: which instructions make which event, and the three texts, read back as strictly as their readers do."""

import json
import os
import subprocess
import unittest

from perf import events, stat
from perf.events import Event

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
K = 0xfffffe0000000000
VECTORS = K + 0x1000
# instruction: the events that it is
WORDS = {
    0x14000001: {"branches"},                                     # b
    0xd65f03c0: {"branches"},                                     # ret
    0xb4000040: {"branches"},                                     # cbz
    0x54000041: {"branches"},                                     # b.ne
    0xf9400420: {"memory-accesses"},                              # ldr x0, [x1, #8]
    0xa9bf7bfd: {"memory-accesses"},                              # stp x29, x30, [sp, #-16]!
    0xf8210020: {"memory-accesses", "atomics"},                   # ldadd x1, x0, [x1]
    0xc8a07c41: {"memory-accesses", "atomics"},                   # cas x0, x1, [x2]
    0xc8037c41: {"memory-accesses", "atomics"},                   # stxr w3, x1, [x2]
    0xc85f7c41: {"memory-accesses"},                              # ldxr
    0xd5033bbf: {"barriers"},                                     # dmb ish
    0xd5033f9f: {"barriers"},                                     # dsb sy
    0xd5033fdf: {"instruction-barriers"},                         # isb
    0xd518d089: {"context-switches"},                             # msr tpidr_el1, x9
    0xd538d089: set(),                                            # mrs x9, tpidr_el1
    0xd5182003: {"address-space-switches"},                       # msr ttbr0_el1, x3
    0xd508871f: {"tlb-invalidations"},                            # tlbi vmalle1
    0xd5088323: {"tlb-invalidations", "tlb-invalidations:broadcast"},  # tlbi vae1is, x3
    0xd518cba2: {"ipis"},                                         # msr icc_sgi1r_el1, x2
    0xd503207f: {"idle-waits"},                                   # wfi
    0x8b010000: set(),                                            # add x0, x0, x1
}


def counted(executed, words):
    found = events.count(executed, words.get, {"exception_vectors": VECTORS, "svc_bsd": K + 0x20}.get)
    return {event.name: event.value for event in found}


class Events(unittest.TestCase):
    def test_each_instruction(self):
        for word, wanted in WORDS.items():
            found = counted({K: 3}, {K: word})
            kinds = {name for name, _, _ in events._BY_INSTRUCTION if found[name]}
            self.assertEqual(kinds, wanted, hex(word))

    def test_places(self):
        found = counted({0x1000: 7, K + 0x20: 2, VECTORS + 0x400: 2, VECTORS + 0x480: 1, VECTORS + 0x280: 4}, {})
        self.assertEqual((found["instructions"], found["instructions:u"], found["instructions:k"]), (16, 7, 9))
        self.assertEqual((found["syscalls:unix"], found["exceptions:user"], found["interrupts"]), (2, 3, 5))
        self.assertIsNone(found["page-faults"], "this kernel has no such function")
        self.assertIsNone(found["cycles"])

    def test_names(self):
        self.assertEqual(sorted(counted({}, {})), sorted(events.NAMES))


class Texts(unittest.TestCase):
    lines = [stat.Line([Event("instructions", 1000), Event("instructions", 1010)], 10),
             stat.Line([Event("cycles", None, "no")] * 2, 10)]
    once = [stat.Line([Event("page-faults", 5, "note")], 10)]

    def test_plain(self):
        text = list(stat.plain(self.lines + self.once, "'a/b'", 1000))
        self.assertIn("             1,005      instructions                  #        100.500 /op  ( +-  0.50% )", text)
        self.assertIn("   <not supported>      cycles                        #  no", text)
        self.assertIn("                 5      page-faults                   #          0.500 /op   note", text)

    def test_csv(self):
        self.assertEqual(list(stat.csv(self.lines, ",", 77)), [
            "1005,,instructions,0.50%,77,100.00,100.500,per operation", "<not supported>,,cycles,0.00%,0,100.00,,"])
        self.assertEqual(list(stat.csv(self.once, ";", 7)), ["5;;page-faults;7;100.00;0.500;per operation"])

    def test_json(self):
        found = [json.loads(line) for line in stat.as_json(self.lines, 77)]
        self.assertEqual(found[0]["counter-value"], "1005.000000")
        self.assertEqual(found[0]["metric-value"], "100.500000")
        self.assertEqual((found[1]["counter-value"], "metric-value" in found[1]), ("<not supported>", False))


class EndToEnd(unittest.TestCase):
    def x(self, *words):
        return subprocess.run([os.path.join(ROOT, "x"), "stat", *words], capture_output=True, text=True, timeout=250)

    def test_agrees_with_what_the_operation_does(self):
        run = self.x("syscall/null_unix", "-j", "-r", "2")
        self.assertEqual(run.returncode, 0, run.stderr)
        found = {event["event"]: event for event in map(json.loads, run.stdout.splitlines())}
        self.assertEqual(found["syscalls:unix"]["metric-value"], "1.000000")
        self.assertEqual(found["instructions"]["variance"], 0.0, "two runs were not identical")
        self.assertEqual(found["cycles"]["counter-value"], "<not supported>")

    def test_every_call_of_a_program_is_one_of_the_kinds(self):
        """Whatever way the kernel dispatches it: a counter that misses a way reads 0, which looks like a figure."""
        for row, events_per_op in (("ipc/rpc_inline/0", {"syscalls:mach": 2}), ("syscall/null_mach", {"syscalls:mach": 1}),
                                   ("vm/fault_zero_fill", {"page-faults": 1})):
            run = self.x(row, "-j")
            found = {event["event"]: event for event in map(json.loads, run.stdout.splitlines())}
            for name, wanted in {"exceptions:user": sum(events_per_op.values()), **events_per_op}.items():
                self.assertEqual(round(float(found[name]["metric-value"]), 2), wanted, f"{row}: {name}")

    def test_wrong_usage(self):
        for words in (("no/such",), ("syscall/null_unix", "-e", "none"), ("syscall/null_unix", "-r", "0")):
            run = self.x(*words)
            self.assertEqual((run.returncode, run.stderr.count("\n")), (64, 1), run.stderr)


if __name__ == "__main__":
    unittest.main()
