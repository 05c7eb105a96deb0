"""Results that are kept: out/history/DATE-REVISION/GUEST-MODE-cpusN.json, one folder a run.

`x bench` leaves a copy of what it measured there (results that went to a place of the user's own are the user's to
keep). Nothing is ever removed: a run takes about 100 KB.
"""

import os
import re
import shutil

from perf import machine, results

FOLDER = os.path.join(machine.ROOT, "out", "history")
_STAMP = re.compile(r"[^0-9TZ]")


def _run_name(context):
    date = context["date"].replace("+00:00", "Z")
    return f"{_STAMP.sub('', date)}-{re.sub(r'[^A-Za-z0-9.+-]', '_', context['kernel_commit'])}"


def keep(paths, folder=FOLDER):
    """Copies the result files of one run; returns the run's folder, or None when there was nothing."""
    loaded = [results.load(path) for path in paths]
    if not loaded:
        return None
    run = os.path.join(folder, _run_name(min((r.context for r in loaded), key=lambda c: c["date"])))
    os.makedirs(run, exist_ok=True)
    for path in paths:
        shutil.copyfile(path, os.path.join(run, os.path.basename(path)))
    return run


def _files(place):
    if not os.path.isdir(place):
        return [place]
    found = []
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(f for f in folders if f != "report")
        found += [os.path.join(folder, name) for name in sorted(names) if results.is_file_name(name)]
    return found


def load(places):
    """(results in the order of their dates, problems): files that cannot be read are told, not hidden."""
    loaded, problems = [], []
    for path in dict.fromkeys(path for place in places for path in _files(place)):
        try:
            loaded.append(results.load(path))
        except results.ResultError as error:
            problems.append(str(error))
    return sorted(loaded, key=lambda r: r.context["date"]), problems


# what must be alike before two runs can be told apart by the kernel alone
_MACHINE = ("guest", "mode", "cpus", "variant", "compiler", "qemu_version")


def machine_of(result):
    """The machine of a result; times also belong to a host."""
    alike = tuple(result.context[key] for key in _MACHINE)
    return alike + ((result.context.get("host_name", ""),) if result.mode == "time" else ())


def previous(loaded, folder=FOLDER):
    """{(mode, cpus): Result}, for results of one guest: for each result the newest kept one before it that has a row of it and the same machine."""
    found = {}
    if not loaded or not os.path.isdir(folder):
        return found
    for run in sorted(os.listdir(folder), reverse=True):
        missing = [r for r in loaded if (r.mode, r.cpus) not in found]
        if not missing:
            break
        older, _ = load([os.path.join(folder, run)])
        for result in missing:
            for old in older:
                if (machine_of(old) == machine_of(result) and old.context["date"] < result.context["date"]
                        and any(name in old.rows for name in result.rows)):
                    found[result.mode, result.cpus] = old
    return found
