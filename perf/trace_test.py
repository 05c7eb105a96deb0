"""x trace from end to end: boots, twice, and the same bytes come out; wrong usage is one line and 64."""

import json
import os
import subprocess
import tempfile
import unittest

from perf import machine, timeline_check

X = os.path.join(machine.ROOT, "x")


def trace(*arguments):
    return subprocess.run([X, "trace", *arguments], capture_output=True, text=True, check=False, timeout=280)


class EndToEnd(unittest.TestCase):
    def test_repeatable_right_and_complete(self):
        texts = []
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(2):
                done = trace("ipc/rpc_inline/0", "--operations", "3", "--out", folder)
                self.assertEqual((done.returncode, "0 lost" in done.stdout), (0, True), done.stdout + done.stderr)
                with open(os.path.join(folder, "ipc-rpc_inline-0", "count.json"), encoding="utf-8") as file:
                    texts.append(file.read())
        self.assertEqual(*texts)
        document = json.loads(texts[0])
        self.assertEqual(timeline_check.problems(document), [])
        events = document["traceEvents"]
        self.assertEqual(sum(item["ph"] == "s" for item in events), 6)  # three requests, three answers
        self.assertEqual([item["name"] for item in events if item["name"] == "batch"], ["batch"])
        self.assertTrue(any(item["name"] == "mach_msg_trap" for item in events))

    def test_wrong_usage(self):
        for arguments, word in ((("no/such",), "families"), (("ipc/rpc_inline/0", "--filter", "nonsense"), "sched"),
                                (("ipc/rpc_inline/0", "--operations", "0"), "100000"),
                                (("ipc/rpc_cross_cpu/0", "--cpus", "1"), "2 CPUs")):
            done = trace(*arguments)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(word, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
