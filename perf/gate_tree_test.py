"""The gate of the tree itself: every row against the accepted counts. `./x gate` says the same with more words."""

import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Tree(unittest.TestCase):
    def test_no_row_is_slower(self):
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run([os.path.join(ROOT, "x"), "gate", "--out", folder, "--markdown", ""], capture_output=True,
                                 text=True, check=False)
        if run.returncode == 2:
            self.skipTest(run.stdout.splitlines()[-1])
        self.assertEqual(run.returncode, 0, f"\n{run.stdout}{run.stderr[-2000:] if run.returncode != 1 else ''}")


if __name__ == "__main__":
    unittest.main()
