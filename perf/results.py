"""Result files: Google Benchmark JSON, schema 1, one guest, one mode, one machine size a file.

The name is GUEST-MODE-cpusN.json and the context says the same, so a file that was renamed or copied into the wrong
folder is refused. Only the format is Google Benchmark's: Debian's compare.py and CI importers read it. Beyond the
schema the context holds the whole configuration (strings), `complete`, and the rows that were skipped or failed.

Count mode: real_time = cpu_time = instructions per operation, and a counter `instructions` says so again. Model mode the
same, and the model's figures (walks, l1d_misses ...) are counters, per operation too.
"""

import json
import math
import os
import re
import tempfile
from dataclasses import dataclass

from perf import stats

SCHEMA = 1
MODES = ("count", "time", "model")
_REQUIRED = ("guest", "mode", "cpus", "variant", "kernel_commit", "compiler", "qemu_version", "qemu_command", "complete")
_FILE_NAME = re.compile(r"^(?P<guest>[a-z0-9]+)-(?P<mode>[a-z]+)-cpus(?P<cpus>\d+)\.json$")
_NOT_COUNTERS = {
    "name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions", "repetition_index",
    "threads", "iterations", "real_time", "cpu_time", "time_unit", "aggregate_name", "aggregate_unit", "label",
}
_COUNTER_NAMES = {"ops/s": "items_per_second", "instructions/op": "instructions"}
_PRIMARY_UNIT = {"count": "instructions/op", "time": "ns/op", "model": "instructions/op"}


class ResultError(Exception):
    """A file that is not a usable result; the message is one line for the user."""


def file_name(guest, mode, cpus):
    return "%s-%s-cpus%d.json" % (guest, mode, cpus)


def is_file_name(name):
    """Is this how a result file is called?"""
    return bool(_FILE_NAME.match(name))


def counter_name(unit):
    return _COUNTER_NAMES.get(unit) or re.sub(r"[^A-Za-z0-9_.]", "_", unit)


def threads_of(name):
    match = re.search(r"/threads:(\d+)$", name)
    return int(match.group(1)) if match else 1


# ---- writing ----


def entry(measurement, mode, repetition, repetitions):
    """One "iteration" entry, or None when the line lacks the unit that this mode measures."""
    value = measurement.values.get(_PRIMARY_UNIT[mode])
    if value is None:
        return None
    result = {
        "name": measurement.name,
        "run_name": measurement.name,
        "run_type": "iteration",
        "repetitions": repetitions,
        "repetition_index": repetition,
        "threads": threads_of(measurement.name),
        "iterations": measurement.iterations,
        "real_time": value,
        "cpu_time": value,
        "time_unit": "ns",
    }
    for unit, number in measurement.values.items():
        if unit != "ns/op":
            result[counter_name(unit)] = number
    return result


def _aggregates(entries):
    """mean, median, stddev and cv over the repetitions of one row, as Google Benchmark writes them"""
    times = [e["real_time"] for e in entries]
    centre = stats.mean(times)
    spread = stats.stddev(times)
    figures = [
        ("mean", "time", centre),
        ("median", "time", stats.median(times)),
        ("stddev", "time", spread),
        ("cv", "percentage", spread / centre if centre else 0.0),
    ]
    for name, unit, value in figures:
        result = {
            "name": "%s_%s" % (entries[0]["name"], name),
            "run_name": entries[0]["name"],
            "run_type": "aggregate",
            "repetitions": entries[0]["repetitions"],
            "threads": entries[0]["threads"],
            "aggregate_name": name,
            "aggregate_unit": unit,
            "iterations": len(entries),
            "real_time": value,
            "cpu_time": value,
            "time_unit": "ns",
        }
        if "instructions" in entries[0]:
            result["instructions"] = value
        yield result


def document(context, entries):
    """The whole file: entries grouped by row in order of first appearance, numbered, aggregates behind each group."""
    groups = {}
    for item in entries:
        groups.setdefault(item["name"], []).append(item)
    families = {}
    benchmarks = []
    for name, group in groups.items():
        family = name.split("/")[0]
        index = families.setdefault(family, [len(families), -1])
        index[1] += 1
        rows = group + (list(_aggregates(group)) if len(group) > 1 else [])
        for row in rows:
            row = dict(row)
            row["family_index"] = index[0]
            row["per_family_instance_index"] = index[1]
            benchmarks.append(row)
    return {"context": {**context, "json_schema_version": SCHEMA}, "benchmarks": benchmarks}


def write(path, doc):
    """Whole file or nothing: a reader never sees half of one."""
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".result-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(doc, out, indent=1)
            out.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# ---- reading ----


@dataclass
class Result:
    """A checked file: `rows` maps a name to its entries, one for each repetition."""

    path: str
    context: dict
    rows: dict

    @property
    def guest(self):
        return self.context["guest"]

    @property
    def mode(self):
        return self.context["mode"]

    @property
    def cpus(self):
        return int(self.context["cpus"])

    @property
    def complete(self):
        return self.context["complete"] == "true"

    def value(self, name):
        """Median over the repetitions, in instructions or ns."""
        return stats.median([e["real_time"] for e in self.rows[name]])

    def values(self):
        """{name: [value of each repetition]}"""
        return {name: [e["real_time"] for e in entries] for name, entries in self.rows.items()}

    def counter(self, name, counter):
        """Median of a counter over the repetitions, None where the row has none."""
        values = [e[counter] for e in self.rows[name] if counter in e]
        return stats.median(values) if values else None


def _parse(path):
    try:
        with open(path, encoding="utf-8") as source:
            text = source.read()
    except OSError as error:
        raise ResultError("%s: %s" % (path, error.strerror)) from None
    except UnicodeDecodeError:
        raise ResultError("%s: not a result file (not text)" % path) from None
    if not text.strip():
        raise ResultError("%s: not a result file (empty)" % path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg
        what = "cut off" if cut and text.lstrip()[:1] == "{" else "not JSON"
        raise ResultError("%s: not a result file (%s at line %d)" % (path, what, error.lineno)) from None


def _check_context(path, doc):
    if not isinstance(doc, dict) or not isinstance(doc.get("context"), dict) or not isinstance(doc.get("benchmarks"), list):
        raise ResultError("%s: not a result file (no context and benchmarks)" % path)
    context = doc["context"]
    version = context.get("json_schema_version")
    if version != SCHEMA:
        raise ResultError("%s: schema version %s, this tool reads %d" % (path, version, SCHEMA))
    missing = [key for key in _REQUIRED if key not in context]
    if missing:
        raise ResultError("%s: a benchmark file of another tool (context lacks %s)" % (path, ", ".join(missing)))
    if context["mode"] not in MODES:
        raise ResultError("%s: unknown mode %r (choices: %s)" % (path, context["mode"], ", ".join(MODES)))
    if not str(context["cpus"]).isdigit() or int(context["cpus"]) < 1:
        raise ResultError("%s: cpus is %r, not a number" % (path, context["cpus"]))
    match = _FILE_NAME.match(os.path.basename(path))
    said = (context["guest"], context["mode"], str(context["cpus"]))
    if match and match.groups() != said:
        raise ResultError("%s: mixed up: the file holds guest %s, mode %s, cpus %s" % ((path,) + said))
    return context


def _check_entry(path, index, item, mode):
    where = "%s: entry %d" % (path, index)
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise ResultError("%s has no name" % where)
    where += " (%s)" % item["name"]
    for key in ("real_time", "cpu_time"):
        value = item.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise ResultError("%s: %s is %r, not a number" % (where, key, value))
    if item.get("time_unit") != "ns":
        raise ResultError("%s: time_unit is %r, not ns" % (where, item.get("time_unit")))
    if item.get("run_type") not in ("iteration", "aggregate"):
        raise ResultError("%s: run_type is %r" % (where, item.get("run_type")))
    if mode != "time" and item.get("instructions") != item["real_time"]:
        raise ResultError("%s: mixed modes: a %s file whose instructions are not its time" % (where, mode))
    if mode == "time" and "instructions" in item:
        raise ResultError("%s: mixed modes: a time file that counts instructions" % where)


def load(path):
    """The file, checked; ResultError says in one line what is wrong with it."""
    return checked(path, _parse(path))


def checked(path, doc):
    """A Result of what a file holds, or is to hold."""
    context = _check_context(path, doc)
    rows = {}
    for index, item in enumerate(doc["benchmarks"]):
        _check_entry(path, index, item, context["mode"])
        if item["run_type"] == "iteration":
            rows.setdefault(item["name"], []).append(item)
    return Result(path, context, rows)


def chosen(result, pattern):
    """The rows whose name the regular expression finds."""
    return Result(result.path, result.context, {n: e for n, e in result.rows.items() if re.search(pattern, n)})


# what results of one guest in one folder have in common
ALIKE = ("kernel_commit", "variant", "compiler", "qemu_version")


def check_alike(loaded):
    """Files of one guest must come from one kernel: one commit, one variant, one compiler, one QEMU."""
    first = {}
    for result in loaded:
        base = first.setdefault(result.guest, result)
        for key in ALIKE:
            if result.context[key] != base.context[key]:
                raise ResultError("%s and %s do not belong together: %s is %s and %s" % (
                    base.path, result.path, key, base.context[key], result.context[key]))


def load_folder(folder):
    """All result files of a folder in the order of their names; other files are left alone."""
    names = sorted(n for n in os.listdir(folder) if _FILE_NAME.match(n))
    loaded = [load(os.path.join(folder, n)) for n in names]
    check_alike(loaded)
    return loaded


def counters(item):
    """The counters of an entry: all that the schema does not name."""
    return {key: value for key, value in item.items() if key not in _NOT_COUNTERS}
