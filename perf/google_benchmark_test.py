"""Result files of every mode through Debian's compare.py (libbenchmark-tools): what others' tools make of them."""

import importlib.util
import json
import os
import re
import subprocess
import tempfile
import unittest

from perf import made_up, results

COMPARE = "/usr/share/benchmark/compare.py"


def repeated(mode, cpus, lines, factor=1.0, repetitions=10):
    """A document of several boots, each a little off the others, all `factor` times as slow."""
    entries = []
    for repetition in range(repetitions):
        for entry in made_up.document(mode, cpus, lines)["benchmarks"]:
            entry["real_time"] = entry["cpu_time"] = entry["real_time"] * factor * (1 + repetition / 1000)
            if "instructions" in entry:
                entry["instructions"] = entry["real_time"]
            entries.append({**entry, "repetitions": repetitions, "repetition_index": repetition})
    return results.document({**made_up.CONTEXT, "mode": mode, "cpus": str(cpus)}, entries)


@unittest.skipUnless(os.path.exists(COMPARE) and importlib.util.find_spec("scipy"),
                     "libbenchmark-tools and python3-scipy are not installed")
class Compare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def compare(self, old, new):
        """(what compare.py prints, {row: its entry of the JSON dump}) of two documents."""
        paths = []
        for side, doc in (("old", old), ("new", new)):
            context = doc["context"]
            name = results.file_name(context["guest"], context["mode"], int(context["cpus"]))
            paths.append(os.path.join(self.folder, side, name))
            results.write(paths[-1], doc)
            results.load(paths[-1])
        dump = os.path.join(self.folder, "dump.json")
        done = subprocess.run(["/usr/bin/python3", COMPARE, "--no-color", "-d", dump, "benchmarks", *paths],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(dump, encoding="utf-8") as source:
            return done.stdout, {entry["name"]: entry for entry in json.load(source)}

    def slower(self, doc, factor):
        changed = json.loads(json.dumps(doc))
        for entry in changed["benchmarks"]:
            for key in ("real_time", "cpu_time", "instructions"):
                if key in entry:
                    entry[key] *= factor
        return changed

    def test_every_row_of_every_mode(self):
        model = made_up.document("model", 1, ["BenchmarkVm/asid_reuse/8 200 344.6 instructions/op 0 walks 6.9 walks_without_asids"])
        for doc in (made_up.count_document(), made_up.time_document(), made_up.time_document(4), model):
            said, found = self.compare(doc, self.slower(doc, 1.25))
            for entry in doc["benchmarks"]:
                name = entry["name"]
                self.assertAlmostEqual(found[name]["measurements"][0]["time"], 0.25, places=6, msg=name)
                self.assertRegex(said, rf"(?m)^{re.escape(name)} +\+0\.2500 +\+0\.2500 ")

    def test_repetitions_are_tested(self):
        lines = ["BenchmarkA/b 10 500 ns/op", "BenchmarkA/c 10 900 ns/op"]
        said, found = self.compare(repeated("time", 2, lines), repeated("time", 2, lines, 1.1))
        for name in ("a/b", "a/c"):
            self.assertLess(found[name]["utest"]["time_pvalue"], 0.01)
            self.assertRegex(said, rf"{name}_pvalue +0\.0\d+ .*U Test, Repetitions: 10 vs 10")
            self.assertIn(f"{name}_median", said)

    def test_counts_that_did_not_move(self):
        lines = ["BenchmarkA/b 10 500 instructions/op"]
        said, _ = self.compare(made_up.document("count", 1, lines), made_up.document("count", 1, lines))
        self.assertRegex(said, r"(?m)^a/b +\+0\.0000 +\+0\.0000 +500 +500 +500 +500$")


if __name__ == "__main__":
    unittest.main()
