"""Follows the console of a running guest: keeps every byte in a log, hands out lines, and notices silence.

The guest may print half a line and hang, or print no newline for a long time: a line is handed out when it is
complete or when the guest ends. Nothing here knows what a line means.
"""

import os
import selectors
import subprocess
import time


class Console:
    """A guest process whose standard output is its console.

    `how` is "running", and in the end "exit", "silent" (no byte for silence_s) or "late" (limit_s used up). A log that
    cannot be written any more (`log_error`) does not end the guest.
    """

    def __init__(self, command, log_path, silence_s, limit_s):
        self.log_path = log_path
        self.how = "running"
        self.status = None
        self.log_error = ""
        self._silence_s = silence_s
        self._deadline = time.monotonic() + limit_s
        self._log = open(log_path, "wb", buffering=0)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except BaseException:
            self._log.close()
            raise

    def lines(self):
        """Lines as they come, until the guest ends or is given up; it still runs if `how` is silent or late."""
        pending = b""
        for block in self._blocks():
            self._write_log(block)
            *whole, pending = (pending + block).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace").rstrip("\r")
        if pending:
            yield pending.decode("utf-8", "replace").rstrip("\r")

    def _write_log(self, block):
        if self.log_error:
            return
        try:
            self._log.write(block)
        except OSError as error:
            self.log_error = error.strerror

    def _blocks(self):
        pipe = self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            heard = time.monotonic()
            while True:
                now = time.monotonic()
                wait = min(heard + self._silence_s, self._deadline) - now
                if wait <= 0:
                    self.how = "late" if now >= self._deadline else "silent"
                    return
                if not selector.select(wait):
                    continue
                block = os.read(pipe.fileno(), 65536)
                if not block:
                    self.status = self._process.wait()
                    self.how = "exit"
                    return
                heard = time.monotonic()
                yield block

    def close(self):
        """Ends the guest if it still runs, and the log."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()
