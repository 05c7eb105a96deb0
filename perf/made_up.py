"""Made-up result files for the tests of table, plots and report. None of these figures was measured."""

from perf import golines, results

CONTEXT = {
    "date": "2026-01-01T00:00:00+00:00", "host_name": "h", "host_cpus": "2", "executable": "/bin/bench", "num_cpus": 2,
    "mhz_per_cpu": 0, "caches": [], "load_avg": [], "library_version": "pluot bench", "library_build_type": "release",
    "guest": "pluot", "variant": "release", "kernel_commit": "0123456789ab", "compiler": "clang 19", "qemu_version": "7.2.22",
    "qemu_command": "qemu-system-aarch64 -M virt", "complete": "true",
}
COUNTS = {
    "syscall/null_mach": 80, "syscall/null_unix": 140, "syscall/commpage_time": 14, "ipc/rpc_inline/0": 700,
    "ipc/rpc_inline/64": 790, "ipc/rpc_inline/1024": 1300, "ipc/rpc_inline/4096": 2600, "ipc/port_lifecycle": 2000,
    "vm/fault_zero_fill": 1200, "proc/fork_exit_wait": 39000, "kernel/zone_alloc_free": 35,
}


def document(mode, cpus, lines, **more):
    context = {**CONTEXT, "mode": mode, "cpus": str(cpus), **more}
    entries = [results.entry(golines.parse(line), mode, 0, 1) for line in lines]
    return results.document(context, entries)


def wire(name):
    return "Benchmark" + name[0].upper() + name[1:]


def count_document(**more):
    return document("count", 1, [f"{wire(n)} 1000 {v} instructions/op" for n, v in COUNTS.items()], **more)


def time_document(cpus=2, **more):
    lines = []
    for name, value in COUNTS.items():
        ns = value * 9 + 100
        shares = {"min": .9, "p5": .93, "p25": .97, "p50": 1, "p75": 1.1, "p90": 1.2, "p95": 1.5, "p99": 2, "p99.9": 5, "max": 20}
        spread = " ".join(f"{ns * share} {quantile}-ns" for quantile, share in shares.items())
        lines.append(f"{wire(name)} 1000 {ns} ns/op {spread}")
    for name, ratio in (("null_unix", 0.6), ("rpc_pairs", 1.8), ("fault_zero_fill", 1.5), ("allocate_deallocate", 0.9)):
        for workers in range(1, cpus + 1):
            speed = 1e5 * workers ** (ratio - 1)
            lines.append(f"BenchmarkScale/{name}/threads:{workers} 1000 {1e9 * workers / speed} ns/op {speed} ops/s")
    return document("time", cpus, lines, **more)
