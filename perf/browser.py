"""A headless Chromium for tests: opens a page, answers questions about it, takes pictures.

Chromium's DevTools protocol runs over a pair of pipes (--remote-debugging-pipe: JSON messages that end with a NUL), so
nothing but the standard library is needed. What a page writes to its console, and every error, is collected.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

_TIMEOUT_S = 60
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-extensions", "--disable-background-networking", "--hide-scrollbars", "--remote-debugging-pipe")


class BrowserError(Exception):
    """The browser did not do what it was asked; the message is its own."""


def program():
    """Where Chromium is, or None."""
    return shutil.which("chromium")


class Page:
    """One tab. `complaints` are console errors, warnings and exceptions, in order."""

    def __init__(self, process, to_browser, from_browser):
        self._process, self._to, self._from = process, to_browser, from_browser
        self._number, self._rest, self._session = 0, b"", None
        self.complaints, self._events = [], []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    # ---- the wire ----

    def _message(self, deadline):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self._from, 1 << 20) if ready else b""
            if not data:
                raise BrowserError("chromium says nothing more" if ready else f"no answer after {_TIMEOUT_S} s")
            self._rest += data
        text, _, self._rest = self._rest.partition(b"\0")
        return json.loads(text)

    def _call(self, method, **params):
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        request = json.dumps({"id": self._number, "method": method, "params": params, **session}).encode() + b"\0"
        while request:
            request = request[os.write(self._to, request):]
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            message = self._message(deadline)
            if message.get("id") == self._number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error'].get('message')}")
                return message["result"]
            self._event(message)

    def _event(self, message):
        method, params = message.get("method", ""), message.get("params", {})
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("text", "exception"))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    # ---- what a test asks ----

    def open(self, path):
        """Loads a file and waits until it is there, fonts and all."""
        self._events.clear()
        self._call("Page.navigate", url="file://" + os.path.abspath(path))
        deadline = time.monotonic() + _TIMEOUT_S
        while "Page.loadEventFired" not in self._events:
            self._event(self._message(deadline))

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(answer["exceptionDetails"].get("exception", {}).get("description", "exception"))
        return answer["result"].get("value")

    def look(self, width, height, scheme="light"):
        """The size of the window and the colour scheme that the page is told."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path, top=0, height=None):
        """PNG of the page from `top`, `height` pixels of it or all."""
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": top, "width": size["width"], "height": height or size["height"] - top, "scale": 1}
        answer = self._call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        with open(path, "wb") as out:
            out.write(base64.b64decode(answer["data"]))

    def pdf(self, path):
        """What the printer would get, as PDF on A4."""
        answer = self._call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)
        with open(path, "wb") as out:
            out.write(base64.b64decode(answer["data"]))


def _start(profile):
    """(process, descriptor to write, descriptor to read); Chromium reads its descriptor 3 and writes to 4."""
    child_in, to_browser = os.pipe()
    from_browser, child_out = os.pipe()

    def descriptors():
        # above the targets first: a pipe may have got number 3 or 4 itself
        high_in, high_out = os.dup2(child_in, 20), os.dup2(child_out, 21)
        os.dup2(high_in, 3)
        os.dup2(high_out, 4)

    process = subprocess.Popen([program(), *_OPTIONS, f"--user-data-dir={profile}", "about:blank"], preexec_fn=descriptors,
                               close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    os.close(child_in)
    os.close(child_out)
    return process, to_browser, from_browser


@contextlib.contextmanager
def page():
    """A Page for the time of a with block; the browser ends with it."""
    profile = tempfile.mkdtemp(prefix="pluot-chromium-")
    process, to_browser, from_browser = _start(profile)
    try:
        yield Page(process, to_browser, from_browser)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(to_browser)
        os.close(from_browser)
        shutil.rmtree(profile, ignore_errors=True)
