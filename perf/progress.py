"""What the user sees while guests run: one line that is rewritten on a terminal, one line a row elsewhere."""

import sys
import time


class Progress:
    """Counts rows over all boots of a run, of `total` if that is known. Writes to standard error, so that the table can be piped."""

    def __init__(self, total, out=None):
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._total = total
        self._done = 0
        self._boot = ""
        self._start = time.monotonic()

    def _place(self, row):
        return f"[{row}/{self._total}] " if self._total else ""

    def boot(self, title):
        self._boot = title
        if not self._live:
            self._out.write(f"{title}\n")
            self._out.flush()

    def row(self, name):
        """A row has started."""
        if self._live:
            elapsed = time.monotonic() - self._start
            text = f"{self._place(self._done + 1)}{self._boot}: {name}  {elapsed:.0f} s"
            self._out.write("\r\033[K" + text[:110])
            self._out.flush()

    def done(self, name, text):
        """A row has a result."""
        self._done += 1
        if not self._live:
            self._out.write(f"  {self._place(self._done)}{name}  {text}\n")
            self._out.flush()

    def message(self, text):
        """Something that must stay on the screen."""
        self._out.write(("\r\033[K" if self._live else "") + text + "\n")
        self._out.flush()

    def end(self):
        if self._live:
            self._out.write("\r\033[K")
            self._out.flush()
