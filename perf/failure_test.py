"""x bench when the world fails under it: QEMU killed, the run interrupted, the disk full. What was measured is kept."""

import os
import re
import signal
import subprocess
import tempfile
import unittest

from perf import machine, results

# Rows that take a while together, so that a signal arrives in their middle.
WORDS = ["--mode", "count", "--filter", "^(syscall/null|vm/map_touch|proc/|ipc/)", "--cpus", "1"]
FILE = "pluot-count-cpus1.json"
TIMEOUT_S = 240


def children(pid):
    """Process ids of a process's children."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent == pid:
            found.append(int(name))
    return found


def command(folder, words=()):
    return [os.path.join(machine.ROOT, "x"), "bench", "--out", folder, *(words or WORDS)]


class Failing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def disturbed(self, disturb):
        """(status, output, errors) of a run that `disturb(process)` meets when it has its second row."""
        said = []
        # A shell starts background jobs with SIGINT ignored, and that is inherited.
        with subprocess.Popen(command(self.folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as run:
            self.addCleanup(run.kill)
            for line in run.stderr:
                said.append(line)
                if re.match(r" *\[2/", line):
                    disturb(run)
                    break
            output, errors = run.communicate(timeout=TIMEOUT_S)
        return run.returncode, output, "".join(said) + errors

    def kept(self):
        result = results.load(os.path.join(self.folder, FILE))
        self.assertFalse(result.complete)
        self.assertGreaterEqual(len(result.rows), 2)
        return result

    def test_qemu_killed(self):
        status, output, errors = self.disturbed(lambda run: [os.kill(pid, signal.SIGKILL) for pid in children(run.pid)])
        self.assertEqual(status, 1, errors)
        self.assertRegex(errors, r"x bench: count mode, 1 CPUs?: QEMU was killed by signal 9 in \S+; \d+ of \d+ rows are kept")
        result = self.kept()
        self.assertIn("killed by signal 9", result.context["incomplete_reason"])
        for name in result.rows:
            self.assertRegex(output, rf"(?m)^{re.escape(name)} +\d")

    def test_interrupted(self):
        for number, name in ((signal.SIGINT, "interrupt"), (signal.SIGTERM, "terminate")):
            with self.subTest(name):
                guests = []

                def disturb(run, number=number, guests=guests):
                    guests.extend(children(run.pid))
                    run.send_signal(number)

                status, _, errors = self.disturbed(disturb)
                self.assertEqual((status, "x: interrupted" in errors), (130, True), errors)
                self.assertIn("ended before", self.kept().context["incomplete_reason"])
                self.assertTrue(guests)
                self.assertFalse([pid for pid in guests if os.path.exists(f"/proc/{pid}")])


class DiskFull(unittest.TestCase):
    """A file system of a few pages, in a mount namespace of the test's own."""

    SCRIPT = 'mount -t tmpfs -o size={size} tmpfs "$0" && "$@"; status=$?; cp -r "$0" "$0.kept"; exit $status'

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "small")
        os.mkdir(self.folder)
        self.unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]
        tried = subprocess.run([*self.unshare, "mount", "-t", "tmpfs", "tmpfs", self.folder], capture_output=True, check=False)
        if tried.returncode:
            self.skipTest("no mount namespaces here")

    def bench(self, size):
        script = self.SCRIPT.replace("{size}", size)
        return subprocess.run([*self.unshare, "sh", "-c", script, self.folder, *command(self.folder)],
                              capture_output=True, text=True, timeout=TIMEOUT_S, check=False)

    def test_result_files(self):
        run = self.bench("16k")
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertRegex(run.stderr, rf"x bench: \S*{FILE}: No space left on device; .* make room")
        self.assertNotIn("Traceback", run.stderr)
        for name in ("syscall/null_mach", "ipc/rpc_inline/64", "proc/spawn_wait"):
            self.assertRegex(run.stdout, rf"(?m)^{name} +\d")
        # what was written before the disk was full is whole and can be read
        left = [name for name in os.listdir(self.folder + ".kept") if name.endswith(".json")]
        for name in left:
            self.assertFalse(results.load(os.path.join(self.folder + ".kept", name)).complete)

    def test_a_limit_on_file_size(self):
        done = subprocess.run(["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *command(self.folder)],
                              capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, "x bench: .*File too large")
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
