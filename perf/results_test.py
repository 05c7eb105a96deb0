"""Result files: what is written can be read, by us and by Debian's compare.py; what is wrong is refused in words."""

import importlib.util
import json
import os
import subprocess
import tempfile
import unittest

from perf import golines, results

CONTEXT = {
    "date": "2026-01-01T00:00:00+00:00", "host_name": "h", "executable": "/bin/bench", "num_cpus": 1, "mhz_per_cpu": 0,
    "caches": [], "load_avg": [], "library_version": "pluot", "library_build_type": "release",
    "guest": "pluot", "mode": "count", "cpus": "1", "variant": "release", "kernel_commit": "abc", "compiler": "clang 19",
    "qemu_version": "7.2.22", "qemu_command": "qemu-system-aarch64", "complete": "true",
}
COMPARE = "/usr/share/benchmark/compare.py"


def document(mode="count", lines=("BenchmarkA/b 10 5 instructions/op",), repetitions=1):
    entries = []
    for repetition in range(repetitions):
        entries += [results.entry(golines.parse(line), mode, repetition, repetitions) for line in lines]
    return results.document({**CONTEXT, "mode": mode}, entries)


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name="pluot-count-cpus1.json"):
        return os.path.join(self.folder.name, name)

    def put(self, text, name="pluot-count-cpus1.json"):
        with open(self.path(name), "w") as out:
            out.write(text)
        return self.path(name)

    def refused(self, text, words, name="pluot-count-cpus1.json"):
        with self.assertRaises(results.ResultError) as caught:
            results.load(self.put(text, name))
        self.assertIn(words, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))


class RoundTrip(Files):
    def test_count(self):
        results.write(self.path(), document())
        loaded = results.load(self.path())
        self.assertEqual((loaded.guest, loaded.mode, loaded.cpus, loaded.complete), ("pluot", "count", 1, True))
        self.assertEqual(loaded.value("a/b"), 5)
        self.assertEqual(loaded.counter("a/b", "instructions"), 5)

    def test_time_percentiles_become_counters(self):
        line = "BenchmarkA/b 10 900 ns/op 880 p50-ns 1200 p99-ns 1e6 ops/s"
        results.write(self.path("pluot-time-cpus1.json"), document("time", [line]))
        loaded = results.load(self.path("pluot-time-cpus1.json"))
        self.assertEqual(loaded.counter("a/b", "p99_ns"), 1200)
        self.assertEqual(loaded.counter("a/b", "items_per_second"), 1e6)

    def test_repetitions_get_aggregates(self):
        doc = document(repetitions=3)
        names = [b["name"] for b in doc["benchmarks"]]
        self.assertEqual(names, ["a/b"] * 3 + ["a/b_mean", "a/b_median", "a/b_stddev", "a/b_cv"])
        results.write(self.path(), doc)
        self.assertEqual(len(results.load(self.path()).rows["a/b"]), 3)

    def test_wrong_unit_gives_no_entry(self):
        self.assertIsNone(results.entry(golines.parse("BenchmarkA/b 1 2 ns/op"), "count", 0, 1))

    def test_a_failed_write_leaves_nothing(self):
        with self.assertRaises(TypeError):
            results.write(self.path(), {"context": object()})
        self.assertEqual(os.listdir(self.folder.name), [])


class Refusals(Files):
    def test_cut(self):
        text = json.dumps(document(), indent=1)
        for length in (1, len(text) // 3, len(text) // 2, len(text) - 2):
            self.refused(text[:length], "not a result file (cut off")

    def test_empty_and_garbage(self):
        self.refused("", "empty")
        self.refused("hello", "not JSON")
        self.refused("[1, 2]", "no context and benchmarks")
        self.refused('{"context": {}, "benchmarks": 3}', "no context and benchmarks")
        with open(self.path(), "wb") as out:
            out.write(b"\xff\xfe\x00")
        with self.assertRaisesRegex(results.ResultError, "not text"):
            results.load(self.path())

    def test_missing(self):
        with self.assertRaisesRegex(results.ResultError, "No such file"):
            results.load(self.path("none.json"))

    def test_alien(self):
        self.refused('{"context": {"caches": [], "json_schema_version": 1}, "benchmarks": []}', "another tool")

    def test_schema(self):
        doc = document()
        doc["context"]["json_schema_version"] = 2
        self.refused(json.dumps(doc), "schema version 2")

    def test_renamed(self):
        self.refused(json.dumps(document()), "mixed up", "pluot-count-cpus4.json")

    def test_mixed_modes(self):
        doc = document()
        del doc["benchmarks"][0]["instructions"]
        self.refused(json.dumps(doc), "mixed modes")

    def test_bad_numbers(self):
        for bad in (None, "5", True, -1, float("nan"), float("inf")):
            doc = document()
            doc["benchmarks"][0]["real_time"] = bad
            self.refused(json.dumps(doc), "not a number")

    def test_two_kernels_in_one_folder(self):
        results.write(self.path(), document())
        other = document("time", ["BenchmarkA/b 1 2 ns/op"])
        other["context"]["kernel_commit"] = "def"
        results.write(self.path("pluot-time-cpus1.json"), other)
        with self.assertRaisesRegex(results.ResultError, "do not belong together: kernel_commit"):
            results.load_folder(self.folder.name)


class CompareTool(Files):
    """Debian's libbenchmark-tools, when it is installed (the test run installs it)."""

    def test_compare_py(self):
        if not os.path.exists(COMPARE) or importlib.util.find_spec("scipy") is None:
            self.skipTest("libbenchmark-tools and python3-scipy are not installed")
        results.write(self.path(), document(repetitions=3))
        run = subprocess.run(
            ["/usr/bin/python3", COMPARE, "benchmarks", self.path(), self.path()], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("a/b", run.stdout)


if __name__ == "__main__":
    unittest.main()
