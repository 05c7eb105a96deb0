"""Lines as a guest writes them, and lines that only look so."""

import unittest

from perf import golines


class Parse(unittest.TestCase):
    def test_count_line(self):
        item = golines.parse("BenchmarkSyscall/null_unix \t 1000 \t 120.5 instructions/op")
        self.assertEqual(item.name, "syscall/null_unix")
        self.assertEqual(item.iterations, 1000)
        self.assertEqual(item.values, {"instructions/op": 120.5})

    def test_time_line_with_percentiles_and_carriage_return(self):
        item = golines.parse("BenchmarkIpc/rpc_inline/64\t20\t9e3 ns/op\t8900 p50-ns\t11000 p99.9-ns\r")
        self.assertEqual(item.values, {"ns/op": 9000.0, "p50-ns": 8900.0, "p99.9-ns": 11000.0})

    def test_threads_stay_in_the_name(self):
        item = golines.parse("BenchmarkScale/null_unix/threads:2 4096 10 ns/op 5e6 ops/s")
        self.assertEqual(item.name, "scale/null_unix/threads:2")

    def test_line_behind_progress_of_the_console(self):
        self.assertEqual(golines.parse("50%\rBenchmarkA/b 1 2 ns/op").name, "a/b")

    def test_others_are_ignored(self):
        for line in (
            "", "pluot: halted, status 0", "Benchmark", "Benchmarking the thing 1 2 ns/op", "BenchmarkA/b",
            "BenchmarkA/b 10", "BenchmarkA/b 10 ns/op", "BenchmarkA/b ten 5 ns/op", "BenchmarkA/b 10 5 ns/op 7",
            "BenchmarkA/b 10 fast ns/op", "xBenchmarkA/b 10 5 ns/op", "benchmarkA/b 10 5 ns/op", "bench-strange: 7",
            "bench-plan:7",
        ):
            self.assertIsNone(golines.parse(line), line)

    def test_events(self):
        self.assertEqual(golines.parse("bench-plan: 24"), golines.Event("plan", "24"))
        self.assertEqual(golines.parse("bench-start: ipc/rpc_inline/64\r"), golines.Event("start", "ipc/rpc_inline/64"))
        self.assertEqual(golines.parse("bench-skip: scale/x needs 2 CPUs"), golines.Event("skip", "scale/x", "needs 2 CPUs"))
        self.assertEqual(golines.parse("bench-fail: a/b lost"), golines.Event("fail", "a/b", "lost"))
