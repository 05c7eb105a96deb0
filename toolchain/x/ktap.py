"""Reads KTAP (docs.kernel.org/dev-tools/ktap.html) out of a console that others write to as well.

Nested results are indented by two spaces and come before the line of their parent. The cases that count are
the leaves; a parent counts when it failed although each of its cases passed.
"""
import dataclasses
import re

_RESULT = re.compile(r"^( *)(ok|not ok) (\d+) ?(?:- )?([^#]*?)\s*(?:#\s*(SKIP|TODO)?\s*(.*))?$")
_PLAN = re.compile(r"^( *)1\.\.(\d+)\s*(?:#.*)?$")
_VERSION = re.compile(r"^ *(KTAP version 1|TAP version 1[34])\s*$")
INDENT = 2

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclasses.dataclass
class Case:
    """One result. `detail` is what the console said since the result before it."""

    name: str
    outcome: str
    detail: str = ""


class Reader:
    """Collects the results of one console."""

    def __init__(self):
        self.cases = []
        self._open = {}  # depth: cases that wait for their parent's name
        self._plans = {}
        self._counts = {}
        self._said = []

    def line(self, text):
        text = text.rstrip()
        plan = _PLAN.match(text)
        result = _RESULT.match(text)
        if plan:
            self._plans[len(plan.group(1)) // INDENT] = int(plan.group(2))
        elif result:
            self._result(*result.groups())
        elif not _VERSION.match(text):
            self._said.append(text)

    def _result(self, indent, verdict, _, name, directive, reason):
        depth = len(indent) // INDENT
        self._counts[depth] = self._counts.get(depth, 0) + 1
        children = self._close(depth + 1)
        outcome = PASSED if verdict == "ok" else FAILED
        if directive == "SKIP":
            outcome = SKIPPED
        cases = [dataclasses.replace(case, name=f"{name}/{case.name}") for case in children]
        if not cases or (outcome == FAILED and all(case.outcome != FAILED for case in cases)):
            cases.append(Case(name, outcome, "\n".join(self._said) or (reason or "")))
        self._said = []
        self._open.setdefault(depth, []).extend(cases)

    def _close(self, depth):
        """Takes the cases at `depth`, after holding them against their plan."""
        for deeper in [d for d in self._open if d > depth]:
            self._open.setdefault(depth, []).extend(self._close(deeper))
        planned, counted = self._plans.pop(depth, None), self._counts.pop(depth, 0)
        cases = self._open.pop(depth, [])
        if planned is not None and planned != counted:
            cases.append(Case("plan", FAILED, f"{planned} results planned, {counted} seen"))
        return cases

    def finish(self):
        """All cases of the console, once it has ended."""
        self.cases = self._close(0)
        return self.cases

    @property
    def seen_any(self):
        return bool(self._open or self._plans or self.cases)
